SELECT s.id AS source_id
FROM sources AS s
WHERE s.account_id = :account_id AND s.deleted_at IS NULL
ORDER BY s.id
