SELECT id
FROM data_requests
WHERE account_id = :account_id AND source_id = ANY(CAST(:owners AS bigint[]))
LIMIT CAST(:most AS bigint)
