SELECT DISTINCT email
FROM customers
WHERE account_id = :account_id AND id = ANY(CAST(:customers AS bigint[])) AND email IS NOT NULL
