DELETE FROM store_refunds AS t
USING unnest(CAST(:source_id AS bigint[]), CAST(:order_id AS text[]), CAST(:refund_id AS text[])) AS n (source_id, order_id, refund_id)
WHERE t.account_id = :account_id
  AND t.source_id = n.source_id
  AND t.order_id = n.order_id
  AND t.refund_id = n.refund_id
