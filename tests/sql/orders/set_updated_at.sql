UPDATE orders AS o
SET updated_at = n.updated_at
FROM unnest(CAST(:order_ids AS text[]), CAST(:updated_at AS timestamptz[])) AS n (order_id, updated_at)
WHERE o.account_id = :account_id AND o.source_id = :source_id AND o.order_id = n.order_id
