SELECT o.order_id
FROM orders AS o
     LEFT JOIN addresses AS a ON a.account_id = o.account_id
                             AND a.source_id = o.source_id
                             AND a.email = o.guest_email
WHERE o.account_id = :account_id
  AND o.source_id = :source_id
  AND o.guest_email IS NOT NULL
  AND o.customer_id IS DISTINCT FROM a.customer_id
ORDER BY 1
LIMIT :most
