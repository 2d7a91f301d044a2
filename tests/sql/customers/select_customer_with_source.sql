SELECT c.id,
       c.source_id,
       c.external_id,
       c.name,
       c.email,
       c.marketing,
       c.language,
       c.created_at,
       s.audience_id,
       s.currency,
       s.time_zone,
       s.week_start,
       (SELECT min(o.ordered_at)
        FROM orders AS o
        WHERE o.account_id = :account_id AND o.customer_id = c.id AND o.spend IS NOT NULL) AS first_order_at,
       (SELECT max(o.ordered_at)
        FROM orders AS o
        WHERE o.account_id = :account_id AND o.customer_id = c.id AND o.spend IS NOT NULL) AS last_order_at
FROM customers AS c INNER JOIN sources AS s ON s.account_id = c.account_id AND s.id = c.source_id
WHERE c.account_id = :account_id AND c.id = :customer_id
