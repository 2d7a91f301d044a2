SELECT id, email, name, marketing
FROM customers
WHERE account_id = :account_id AND id = ANY(CAST(:customers AS bigint[]))
ORDER BY id
FOR SHARE SKIP LOCKED
