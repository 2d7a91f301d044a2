SELECT source_id
FROM store_connections
WHERE account_id = :account_id
LIMIT CAST(:most AS bigint)
