-- every customer with purchases, ranked
WITH ranked AS MATERIALIZED (
         SELECT account_id,
                customer_id,
                purchases,
                spend,
                average,
                last_order_at,
                rank() OVER (ORDER BY average DESC) AS rank
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

     -- the rows of the page and one more
     numbered AS MATERIALIZED (
         SELECT customer_id,
                purchases,
                spend,
                average,
                last_order_at,
                rank,
                row_number() OVER (ORDER BY average DESC, customer_id) AS position
         FROM (SELECT *
               FROM ranked
               WHERE account_id = :account_id
               ORDER BY average DESC, customer_id
               LIMIT (CAST(:limit AS bigint) + 1)) AS r
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
  FROM totals AS t
       LEFT JOIN (SELECT average AS value, customer_id, rank, position
                  FROM numbered) AS l ON l.position = CAST(:limit AS bigint)
                                     AND EXISTS (SELECT
                                                 FROM numbered AS m
                                                 WHERE m.position > CAST(:limit AS bigint))
