DELETE FROM orders_to_read
WHERE account_id = :account_id AND source_id = :source_id AND order_id = ANY(CAST(:order_ids AS text[])) AND asked_at <= :asked_at
