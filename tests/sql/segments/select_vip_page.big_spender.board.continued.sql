-- the board of the frame; no row when it cannot answer
WITH board AS MATERIALIZED (
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
           AND NOT EXISTS (SELECT o.customer_id
                           FROM orders AS o
                           WHERE o.account_id = :account_id
                             AND o.source_id = :source_id
                             AND o.spend IS NOT NULL
                             AND o.ordered_at >= :before
                             AND o.ordered_at < :until)
       ),

     -- the totals with the thresholds
     aimed AS MATERIALIZED (
         SELECT b.id,
                b.version,
                b.contacts_version,
                b.next_purchase_at,
                b.customers,
                b.purchases,
                b.spend,
                COALESCE(CAST(:min_spend AS bigint), m.min_spend) AS min_spend,
                COALESCE(CAST(:min_orders AS bigint), m.min_orders) AS min_orders
         FROM board AS b
              LEFT JOIN LATERAL (SELECT CAST(LEAST(div(22 * b.spend + 10 * b.buyers, 20 * b.buyers),
                                                   9223372036854775807) AS bigint) AS min_spend,
                                        CAST(div(CAST(b.purchases AS numeric), b.buyers) AS bigint) + 1 AS min_orders
                                 FROM (SELECT CAST(b.spend AS numeric) AS spend,
                                              b.purchases AS purchases,
                                              NULLIF(b.customers, 0) AS buyers) AS b) AS m ON b.customers > 0
       ),

     -- and how many customers exceed them
     counted AS MATERIALIZED (
         SELECT a.*,
                s.customers + same_s.customers AS big,
                o.customers + same_o.customers AS frequent,
                c.customers + same_s.spend_only - same_o.higher_spend AS big_only
         FROM aimed AS a
              CROSS JOIN LATERAL (SELECT CAST(COALESCE(sum(k.customers), 0) AS bigint) AS customers,
                                         COALESCE(min(k.least_value) - 1, 9223372036854775807) AS bucket_end
                                  FROM standing_buckets AS k
                                  WHERE k.account_id = :account_id
                                    AND k.board_id = a.id
                                    AND k.metric = 'total_spend'
                                    AND k.least_value > a.min_spend) AS s
              CROSS JOIN LATERAL (SELECT CAST(COALESCE(sum(k.customers), 0) AS bigint) AS customers,
                                         COALESCE(min(k.least_value) - 1, 9223372036854775807) AS bucket_end
                                  FROM standing_buckets AS k
                                  WHERE k.account_id = :account_id
                                    AND k.board_id = a.id
                                    AND k.metric = 'number_of_purchases'
                                    AND k.least_value > a.min_orders) AS o
              CROSS JOIN LATERAL (SELECT CAST(COALESCE(sum(k.customers), 0) AS bigint) AS customers
                                  FROM standing_cells AS k
                                  WHERE k.account_id = :account_id
                                    AND k.board_id = a.id
                                    AND k.least_purchases <= a.min_orders
                                    AND k.least_spend > a.min_spend) AS c
              CROSS JOIN LATERAL (SELECT count(*) AS customers,
                                         count(*) FILTER (WHERE n.purchases <= a.min_orders) AS spend_only
                                  FROM standings AS n
                                  WHERE n.account_id = :account_id
                                    AND n.board_id = a.id
                                    AND n.spend > a.min_spend
                                    AND n.spend <= s.bucket_end) AS same_s
              CROSS JOIN LATERAL (SELECT count(*) AS customers,
                                         count(*) FILTER (WHERE n.spend > s.bucket_end) AS higher_spend
                                  FROM standings AS n
                                  WHERE n.account_id = :account_id
                                    AND n.board_id = a.id
                                    AND n.purchases > a.min_orders
                                    AND n.purchases <= o.bucket_end) AS same_o
       ),

     -- big spenders
     rich AS MATERIALIZED (
         SELECT customer_id, purchases, spend, average, last_order_at
         FROM ((SELECT customer_id, purchases, spend, average, last_order_at
                FROM standings
                WHERE account_id = :account_id
                  AND board_id = (SELECT id
                                  FROM board)
                  AND spend > (SELECT min_spend
                               FROM counted)
                  AND spend = :value
                  AND customer_id > :customer
                ORDER BY spend DESC, customer_id
                LIMIT (CAST(:limit AS bigint) + 1))

               UNION ALL

               (SELECT customer_id, purchases, spend, average, last_order_at
                FROM standings
                WHERE account_id = :account_id
                  AND board_id = (SELECT id
                                  FROM board)
                  AND spend > (SELECT min_spend
                               FROM counted)
                  AND spend < :value
                ORDER BY spend DESC, customer_id
                LIMIT (CAST(:limit AS bigint) + 1))) AS w
         ORDER BY spend DESC, customer_id
         LIMIT (CAST(:limit AS bigint) + 1)
       ),

     -- the rows of the page and one more
     page AS MATERIALIZED (
         SELECT customer_id, purchases, spend, average, last_order_at
         FROM (SELECT customer_id, purchases, spend, average, last_order_at FROM rich) AS u
         ORDER BY spend DESC, customer_id
         LIMIT (CAST(:limit AS bigint) + 1)
       ),

     -- the same rows in their order
     numbered AS MATERIALIZED (
         SELECT customer_id,
                purchases,
                spend,
                average,
                last_order_at,
                row_number() OVER (ORDER BY spend DESC, customer_id) AS position
         FROM page
       )
  SELECT t.version,
         t.contacts_version,
         t.next_purchase_at,
         t.id AS board_id,
         t.customers,
         t.purchases,
         t.spend,
         t.min_spend,
         t.min_orders,
         t.big,
         t.frequent,
         t.big_only,
         (SELECT '[' || COALESCE(string_agg('{'
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
                                            || '"matched": '
                                            || CASE
                                                 WHEN NOT p.purchases > t.min_orders
                                                   THEN '["big_spender"]'
                                                 WHEN NOT p.spend > t.min_spend
                                                   THEN '["frequent_buyer"]'
                                                 ELSE '["big_spender", "frequent_buyer"]'
                                               END
                                            || '}',
                                            ',' ORDER BY p.position),
                                 '') || ']'
          FROM numbered AS p
               INNER JOIN customers AS c ON c.account_id = :account_id AND c.id = p.customer_id
          WHERE p.position <= CAST(:limit AS bigint)) AS items,
         l.spend AS last_spend,
         l.customer_id AS last_customer
  FROM counted AS t
       LEFT JOIN numbered AS l ON l.position = CAST(:limit AS bigint)
                              AND EXISTS (SELECT
                                          FROM numbered AS m
                                          WHERE m.position > CAST(:limit AS bigint))
