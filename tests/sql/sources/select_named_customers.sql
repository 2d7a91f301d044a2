(SELECT c.id
 FROM customers AS c
 WHERE c.account_id = :account_id AND c.source_id = :source_id AND c.external_id = CAST(:external_id AS text)

 UNION

 SELECT c.id
 FROM customers AS c
 WHERE c.account_id = :account_id
   AND c.source_id = :source_id
   AND c.email = CAST(:email AS text)
   AND (c.external_id IS NULL OR CAST(:external_id AS text) IS NULL))

UNION

SELECT e.customer_id
FROM addresses AS e
     INNER JOIN customers AS c ON c.account_id = e.account_id AND c.id = e.customer_id
WHERE e.account_id = :account_id
  AND e.source_id = :source_id
  AND e.email = CAST(:email AS text)
  AND (c.external_id IS NULL OR CAST(:external_id AS text) IS NULL)
