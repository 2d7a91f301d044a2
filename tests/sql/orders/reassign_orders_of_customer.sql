UPDATE orders
SET customer_id = :heir
WHERE account_id = :account_id AND source_id = :source_id AND customer_id = :customer_id
