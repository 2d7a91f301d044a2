SELECT account_id, id AS source_id
FROM sources
WHERE boards_due_at <= :now
ORDER BY boards_due_at
