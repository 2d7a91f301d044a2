SELECT id
FROM sources
WHERE account_id = :account_id AND id = ANY(CAST(:sources AS bigint[])) AND deleted_at IS NULL
