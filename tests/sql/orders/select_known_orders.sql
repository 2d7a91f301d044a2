SELECT order_id,
       ordered_at,
       updated_at,
       CAST(status AS text) AS status,
       content_hash,
       total,
       customer_id,
       foreign_currency IS NOT NULL AS is_foreign,
       deleted_at,
       erased_at IS NOT NULL AS is_erased
FROM orders
WHERE account_id = :account_id AND source_id = :source_id AND order_id = ANY(CAST(:order_ids AS text[]))
