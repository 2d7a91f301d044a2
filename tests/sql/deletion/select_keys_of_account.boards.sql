SELECT id
FROM boards
WHERE account_id = :account_id
LIMIT CAST(:most AS bigint)
