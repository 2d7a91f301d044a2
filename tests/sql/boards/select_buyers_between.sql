SELECT DISTINCT customer_id
FROM orders
WHERE account_id = :account_id
  AND source_id = :source_id
  AND spend IS NOT NULL
  AND ordered_at >= :since
  AND ordered_at < :until
ORDER BY 1
