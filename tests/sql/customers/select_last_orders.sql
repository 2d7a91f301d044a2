SELECT order_id,
       ordered_at,
       total,
       refunded,
       foreign_currency,
       items,
       CAST(status AS text) AS status,
       spend IS NOT NULL AS is_purchase,
       updated_at,
       test,
       discount_codes,
       guest_email,
       deleted_at
FROM orders
WHERE account_id = :account_id AND source_id = :source_id AND customer_id = :customer_id AND deleted_at IS NULL
ORDER BY ordered_at DESC, order_id DESC
LIMIT CAST(:limit AS bigint)
