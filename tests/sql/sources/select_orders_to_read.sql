SELECT order_id
FROM orders_to_read
WHERE account_id = :account_id AND source_id = :source_id
ORDER BY order_id
LIMIT :limit
