SELECT account_id, id AS source_id
FROM sources
WHERE boards_due_at <= :now AND deleted_at IS NULL
ORDER BY boards_due_at
