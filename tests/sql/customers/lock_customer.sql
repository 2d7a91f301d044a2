SELECT id
FROM customers
WHERE account_id = :account_id AND id = :customer_id
FOR UPDATE
