SELECT id
FROM message_attempts
WHERE account_id = :account_id
LIMIT CAST(:most AS bigint)
