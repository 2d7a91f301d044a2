-- purchases on the board after as_of
WITH later_orders AS MATERIALIZED (
         SELECT o.customer_id
         FROM orders AS o
         WHERE o.account_id = :account_id
           AND o.source_id = :source_id
           AND o.spend IS NOT NULL
           AND o.ordered_at >= :before
           AND o.ordered_at < :until
         LIMIT (1000 + 1)
       ),

     -- the board as it is now; no row when too many purchases are later
     board_now AS MATERIALIZED (
         SELECT b.id,
                b.version,
                s.contacts_version,
                CAST(NULL AS timestamptz) AS next_purchase_at,
                s.version AS source_version,
                b.customers,
                b.purchases,
                b.spend
         FROM boards AS b
              INNER JOIN sources AS s ON s.account_id = b.account_id AND s.id = b.source_id
         WHERE b.account_id = :account_id
           AND b.source_id = :source_id
           AND b.kind = CAST(CAST(:kind AS text) AS board_kind)
           AND b.start = :board_start
           AND b.counted_from = :start
           AND b.counted_until = :until
           AND NOT EXISTS (SELECT
                           FROM outdated_standings AS o
                           WHERE o.account_id = :account_id AND o.source_id = :source_id)
           AND (SELECT count(*)
                FROM later_orders) <= 1000
       ),

     -- the standings of those who made the later purchases
     late_now AS MATERIALIZED (
         SELECT customer_id, purchases, spend, average, last_order_at
         FROM standings
         WHERE account_id = :account_id
           AND board_id = (SELECT id
                           FROM board_now)
           AND customer_id = ANY(ARRAY(SELECT customer_id
                                       FROM later_orders))
       ),

     -- the figures that they had at as_of
     late_then AS MATERIALIZED (
         SELECT f.*
         FROM (SELECT DISTINCT customer_id
               FROM later_orders) AS l
              CROSS JOIN LATERAL (SELECT account_id,
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
                                          AND customer_id = l.customer_id
                                        GROUP BY account_id, customer_id) AS f) AS f
       ),

     -- the board as it was at as_of
     board AS MATERIALIZED (
         SELECT id,
                source_version AS version,
                CAST(NULL AS bigint) AS contacts_version,
                (SELECT min(o.ordered_at)
                 FROM orders AS o
                 WHERE o.account_id = :account_id
                   AND o.source_id = :source_id
                   AND o.spend IS NOT NULL
                   AND o.ordered_at >= :before) AS next_purchase_at,
                customers - (SELECT count(*)
                             FROM late_now) + (SELECT count(*)
                                               FROM late_then) AS customers,
                purchases - (SELECT COALESCE(sum(purchases), 0)
                             FROM late_now) + (SELECT COALESCE(sum(purchases), 0)
                                               FROM late_then) AS purchases,
                spend - (SELECT COALESCE(sum(spend), 0)
                         FROM late_now) + (SELECT COALESCE(sum(spend), 0)
                                           FROM late_then) AS spend
         FROM board_now
       ),

     -- the rows of the page and one more
     page AS MATERIALIZED (
         SELECT customer_id, purchases, spend, average, last_order_at
         FROM ((SELECT customer_id, purchases, spend, average, last_order_at
                FROM standings
                WHERE account_id = :account_id
                  AND board_id = (SELECT id
                                  FROM board)
                  AND customer_id <> ALL(ARRAY(SELECT customer_id
                                               FROM later_orders))
                ORDER BY average DESC, customer_id
                LIMIT (CAST(:limit AS bigint) + 1))

               UNION ALL

               SELECT customer_id, purchases, spend, average, last_order_at
               FROM late_then) AS u
         ORDER BY average DESC, customer_id
         LIMIT (CAST(:limit AS bigint) + 1)
       ),

     -- the same rows with their ranks
     numbered AS MATERIALIZED (
         SELECT customer_id,
                purchases,
                spend,
                average,
                last_order_at,
                rank() OVER (ORDER BY average DESC) AS rank,
                first_value(average) OVER (ORDER BY average DESC
                                           GROUPS BETWEEN 1 PRECEDING AND 1 PRECEDING) AS better,
                row_number() OVER (ORDER BY average DESC, customer_id) AS position
         FROM page
       )
  SELECT t.version,
         t.contacts_version,
         t.next_purchase_at,
         t.id AS board_id,
         CAST(NULL AS bigint) AS previous_board_id,
         CAST(NULL AS bigint) AS previous_version,
         t.customers,
         t.purchases,
         CAST(t.spend * CAST(:unit AS numeric) AS text) AS spend,
         (SELECT '[' || COALESCE(string_agg('{'
                                            || '"rank": '
                                            || p.rank
                                            || ', '
                                            || '"customer": '
                                            || '{'
                                            || '"id": "'
                                            || 'cus_'
                                            || p.customer_id
                                            || '"'
                                            || ', '
                                            || '"external_id": '
                                            || COALESCE(CAST(to_json(CASE
                                                                       WHEN CAST(:masks_emails AS boolean)
                                                                        AND strpos(c.external_id, '@') > 0
                                                                         THEN regexp_replace(c.external_id, '([^\s@]?)[^\s@]*@\S*', '\1***@***', 'g')
                                                                       ELSE c.external_id
                                                                     END) AS text),
                                                        'null')
                                            || ', '
                                            || '"name": '
                                            || COALESCE(CAST(to_json(CASE
                                                                       WHEN CAST(:masks_emails AS boolean)
                                                                        AND strpos(c.name, '@') > 0
                                                                         THEN regexp_replace(c.name, '([^\s@]?)[^\s@]*@\S*', '\1***@***', 'g')
                                                                       ELSE c.name
                                                                     END) AS text),
                                                        'null')
                                            || ', '
                                            || '"email": '
                                            || COALESCE(CAST(to_json(CASE
                                                                       WHEN CAST(:masks_emails AS boolean)
                                                                         THEN "left"(c.email, 1) || '***@***'
                                                                       ELSE c.email
                                                                     END) AS text),
                                                        'null')
                                            || ', '
                                            || '"messageable": '
                                            || (c.marketing = 'subscribed'
                                            AND c.email IS NOT NULL
                                            AND NOT EXISTS (SELECT
                                                            FROM suppressions AS w
                                                            WHERE w.account_id = :account_id
                                                              AND w.address_hash = sha256((SELECT a.cursor_secret
                                                                                           FROM accounts AS a
                                                                                           WHERE a.id = :account_id) || convert_to('address:' || c.email,
                                                                                                                          'UTF8'))
                                                              AND w.reason IS NOT NULL))
                                            || '}'
                                            || ', '
                                            || '"number_of_purchases": '
                                            || p.purchases
                                            || ', '
                                            || '"total_spend": "'
                                            || CAST(p.spend * CAST(:unit AS numeric) AS text)
                                            || '"'
                                            || ', '
                                            || '"average_order_amount": "'
                                            || CAST(p.average * CAST(:unit AS numeric) AS text)
                                            || '"'
                                            || ', '
                                            || '"last_order_at": '
                                            || "left"(CAST(to_json(pg_catalog.timezone('UTC', p.last_order_at)) AS text),
                                                      -1)
                                            || 'Z"'
                                            || ', '
                                            || '"gap": '
                                            || COALESCE('"' || CAST((p.better - p.average) * CAST(:unit AS numeric) AS text) || '"',
                                                        'null')
                                            || '}',
                                            ',' ORDER BY p.position),
                                 '') || ']'
          FROM numbered AS p
               INNER JOIN customers AS c ON c.account_id = :account_id AND c.id = p.customer_id
          WHERE p.position <= CAST(:limit AS bigint)) AS items,
         l.value AS last_value,
         l.customer_id AS last_customer,
         l.rank AS last_rank,
         0 AS before
  FROM board AS t
       LEFT JOIN (SELECT average AS value, customer_id, rank, position
                  FROM numbered) AS l ON l.position = CAST(:limit AS bigint)
                                     AND EXISTS (SELECT
                                                 FROM numbered AS m
                                                 WHERE m.position > CAST(:limit AS bigint))
