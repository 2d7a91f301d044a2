SELECT id
FROM api_keys
WHERE account_id = :account_id
LIMIT CAST(:most AS bigint)
