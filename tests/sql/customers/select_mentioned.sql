((SELECT c.external_id AS mentioned
  FROM customers AS c
  WHERE c.account_id = :account_id AND c.id = :customer_id AND c.external_id IS NOT NULL

  UNION

  SELECT c.email
  FROM customers AS c
  WHERE c.account_id = :account_id AND c.id = :customer_id AND c.email IS NOT NULL)

 UNION

 SELECT e.email
 FROM addresses AS e
 WHERE e.account_id = :account_id AND e.customer_id = :customer_id)

UNION

SELECT o.order_id
FROM orders AS o
WHERE o.account_id = :account_id AND o.customer_id = :customer_id
