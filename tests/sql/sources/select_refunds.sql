SELECT order_id, refund_id, amount
FROM store_refunds
WHERE account_id = :account_id AND source_id = :source_id AND order_id = ANY(CAST(:order_ids AS text[]))
ORDER BY order_id, refund_id
