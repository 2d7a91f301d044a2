SELECT s.orders,
       s.unattributed,
       s.foreign_currency,
       (SELECT count(*)
        FROM inbox AS i
        WHERE i.account_id = :account_id AND i.source_id = :source_id AND i.status = 'quarantined') AS quarantined,
       (SELECT count(*)
        FROM customers AS c
        WHERE c.account_id = :account_id AND c.source_id = :source_id) AS customers,
       CASE
         WHEN EXISTS (SELECT
                      FROM outdated_standings AS n
                      WHERE n.account_id = :account_id AND n.source_id = :source_id)
           THEN (SELECT count(*)
                 FROM orders AS o
                 WHERE o.account_id = :account_id AND o.source_id = :source_id AND o.spend IS NOT NULL)
         ELSE (SELECT COALESCE(max(b.purchases), 0)
               FROM boards AS b
               WHERE b.account_id = :account_id AND b.source_id = :source_id AND b.kind = 'all_time')
       END AS purchases,
       (SELECT min(o.ordered_at)
        FROM orders AS o
        WHERE o.account_id = :account_id AND o.source_id = :source_id AND o.spend IS NOT NULL) AS history_from,
       (SELECT max(o.ordered_at)
        FROM orders AS o
        WHERE o.account_id = :account_id AND o.source_id = :source_id AND o.spend IS NOT NULL) AS last_order_at
FROM sources AS s
WHERE s.account_id = :account_id AND s.id = :source_id
