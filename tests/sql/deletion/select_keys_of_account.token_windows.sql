SELECT key_id, token_id, limit_name
FROM token_windows
WHERE account_id = :account_id
LIMIT CAST(:most AS bigint)
