SELECT c.id,
       c.marketing,
       CASE
         WHEN c.marketing_weight = 'explicit' THEN c.marketing_at
       END AS explicit_at
FROM customers AS c
WHERE c.account_id = :account_id AND c.id = ANY(CAST(:customers AS bigint[]))
ORDER BY c.id
FOR UPDATE OF c
