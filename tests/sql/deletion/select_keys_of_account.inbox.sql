SELECT id
FROM inbox
WHERE account_id = :account_id
LIMIT CAST(:most AS bigint)
