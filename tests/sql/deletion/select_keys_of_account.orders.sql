SELECT source_id, order_id
FROM orders
WHERE account_id = :account_id
LIMIT CAST(:most AS bigint)
