SELECT account_id
FROM sources
WHERE id = :source_id AND deleted_at IS NULL
