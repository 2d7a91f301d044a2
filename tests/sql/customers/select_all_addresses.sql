SELECT email
FROM addresses
WHERE account_id = :account_id AND customer_id = :customer_id

UNION

SELECT email
FROM customers
WHERE account_id = :account_id AND id = :customer_id AND email IS NOT NULL

ORDER BY email
