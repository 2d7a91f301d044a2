DELETE FROM addresses
WHERE account_id = :account_id AND customer_id = :customer_id
RETURNING email
