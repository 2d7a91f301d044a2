SELECT source_id, email
FROM addresses
WHERE account_id = :account_id
LIMIT CAST(:most AS bigint)
