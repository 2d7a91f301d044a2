INSERT INTO store_refunds (account_id, source_id, order_id, refund_id, amount)
SELECT CAST(:account_id AS bigint), CAST(:source_id AS bigint), n.order_id, n.refund_id, n.amount
FROM unnest(CAST(:order_ids AS text[]), CAST(:refund_ids AS text[]), CAST(:amounts AS text[])) AS n (order_id, refund_id, amount)
ON CONFLICT (account_id, source_id, order_id, refund_id) DO NOTHING
RETURNING order_id, refund_id, amount
