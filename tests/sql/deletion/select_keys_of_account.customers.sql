SELECT id
FROM customers
WHERE account_id = :account_id
LIMIT CAST(:most AS bigint)
