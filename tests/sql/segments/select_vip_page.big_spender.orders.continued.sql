-- every customer with purchases
WITH figures AS MATERIALIZED (
         SELECT account_id,
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
               GROUP BY account_id, customer_id) AS f
       ),

     -- the figures of all of them
     board AS MATERIALIZED (
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
                 FROM figures) AS customers,
                (SELECT COALESCE(sum(purchases), 0)
                 FROM figures) AS purchases,
                (SELECT COALESCE(sum(spend), 0)
                 FROM figures) AS spend
         FROM sources
         WHERE account_id = :account_id AND id = :source_id
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
         SELECT a.*, m.big, m.frequent, m.big_only
         FROM aimed AS a
              CROSS JOIN LATERAL (SELECT count(*) FILTER (WHERE n.spend > a.min_spend) AS big,
                                         count(*) FILTER (WHERE n.purchases > a.min_orders) AS frequent,
                                         count(*) FILTER (WHERE n.spend > a.min_spend
                                                            AND NOT n.purchases > a.min_orders) AS big_only
                                  FROM figures AS n) AS m
       ),

     -- the rows of the page and one more
     page AS MATERIALIZED (
         SELECT customer_id, purchases, spend, average, last_order_at
         FROM figures AS n CROSS JOIN (SELECT min_spend, min_orders FROM counted) AS t
         WHERE n.spend > t.min_spend AND spend <= :value AND (spend < :value OR customer_id > :customer)
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
