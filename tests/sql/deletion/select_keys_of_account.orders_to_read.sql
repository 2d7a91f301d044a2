SELECT source_id, order_id
FROM orders_to_read
WHERE account_id = :account_id
LIMIT CAST(:most AS bigint)
