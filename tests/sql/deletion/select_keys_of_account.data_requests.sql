SELECT id
FROM data_requests
WHERE account_id = :account_id
LIMIT CAST(:most AS bigint)
