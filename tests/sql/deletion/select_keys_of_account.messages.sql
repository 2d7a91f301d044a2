SELECT id
FROM messages
WHERE account_id = :account_id
LIMIT CAST(:most AS bigint)
