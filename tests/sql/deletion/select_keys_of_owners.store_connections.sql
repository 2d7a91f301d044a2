SELECT source_id
FROM store_connections
WHERE account_id = :account_id AND source_id = ANY(CAST(:owners AS bigint[]))
LIMIT CAST(:most AS bigint)
