SELECT account_id, id AS source_id
FROM sources
WHERE deleted_at IS NULL
ORDER BY account_id, id
