-- every customer with purchases, ranked
WITH ranked AS MATERIALIZED (
         SELECT account_id,
                customer_id,
                purchases,
                spend,
                average,
                last_order_at,
                rank() OVER (ORDER BY spend DESC) AS rank
         FROM (SELECT account_id,
                      customer_id,
                      purchases,
                      spend,
                      last_order_at,
                      spend / purchases + CAST(spend % purchases * 2 >= purchases AS integer) AS average
               FROM (SELECT account_id,
                            customer_id,
                            CAST(count(*) AS bigint) AS purchases,
                            CAST(sum(spend) AS bigint) AS spend,
                            max(ordered_at) AS last_order_at
                     FROM orders
                     WHERE account_id = :account_id
                       AND source_id = :source_id
                       AND spend IS NOT NULL
                       AND ordered_at >= :start
                       AND ordered_at < :before
                     GROUP BY account_id, customer_id) AS f) AS a
       ),

     -- the figures of all of them
     totals AS MATERIALIZED (
         SELECT CAST(NULL AS bigint) AS id,
                version,
                CAST(NULL AS bigint) AS contacts_version,
                (SELECT min(o.ordered_at)
                 FROM orders AS o
                 WHERE o.account_id = :account_id
                   AND o.source_id = :source_id
                   AND o.spend IS NOT NULL
                   AND o.ordered_at >= :before) AS next_purchase_at,
                (SELECT count(*)
                 FROM ranked) AS customers,
                (SELECT COALESCE(sum(purchases), 0)
                 FROM ranked) AS purchases,
                (SELECT COALESCE(sum(spend), 0)
                 FROM ranked) AS spend
         FROM sources
         WHERE account_id = :account_id AND id = :source_id
       ),

     -- everybody, and how many rows lie before theirs
     positioned AS MATERIALIZED (
         SELECT customer_id,
                spend AS value,
                rank,
                row_number() OVER (ORDER BY spend DESC, customer_id) - 1 AS before
         FROM ranked
       )
  SELECT h.customer_id AS around,
         l.value,
         l.customer_id AS customer,
         h.before - h.before % CAST(:limit AS bigint) AS position,
         l.rank,
         t.id AS board,
         t.version
  FROM totals AS t
       LEFT JOIN positioned AS h ON h.customer_id = CAST(:around AS bigint)
       LEFT JOIN positioned AS l ON l.before = h.before - h.before % CAST(:limit AS bigint) - 1
