SELECT id
FROM sources
WHERE account_id = :account_id
LIMIT CAST(:most AS bigint)
