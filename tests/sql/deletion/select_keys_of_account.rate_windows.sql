SELECT key_id, limit_name
FROM rate_windows
WHERE account_id = :account_id
LIMIT CAST(:most AS bigint)
