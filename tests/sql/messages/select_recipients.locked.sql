SELECT c.id,
       c.source_id,
       c.email,
       c.name,
       c.marketing,
       c.language,
       s.name AS store,
       s.url AS store_url
FROM customers AS c INNER JOIN sources AS s ON s.account_id = c.account_id AND s.id = c.source_id
WHERE c.account_id = :account_id AND c.id = ANY(CAST(:customers AS bigint[]))
ORDER BY c.id
FOR KEY SHARE OF c
