SELECT address_hash
FROM suppressions
WHERE account_id = :account_id
LIMIT CAST(:most AS bigint)
