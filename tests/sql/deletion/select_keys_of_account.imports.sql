SELECT id
FROM imports
WHERE account_id = :account_id
LIMIT CAST(:most AS bigint)
