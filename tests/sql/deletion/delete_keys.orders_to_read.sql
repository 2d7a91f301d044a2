DELETE FROM orders_to_read AS t
USING unnest(CAST(:source_id AS bigint[]), CAST(:order_id AS text[])) AS n (source_id, order_id)
WHERE t.account_id = :account_id AND t.source_id = n.source_id AND t.order_id = n.order_id
