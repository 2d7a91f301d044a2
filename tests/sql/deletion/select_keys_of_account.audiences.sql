SELECT id
FROM audiences
WHERE account_id = :account_id
LIMIT CAST(:most AS bigint)
