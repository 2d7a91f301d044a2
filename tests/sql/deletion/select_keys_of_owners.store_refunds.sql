SELECT source_id, order_id, refund_id
FROM store_refunds
WHERE account_id = :account_id AND source_id = ANY(CAST(:owners AS bigint[]))
LIMIT CAST(:most AS bigint)
