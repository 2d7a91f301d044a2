SELECT '{'
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
                                  WHEN CAST(:masks_emails AS boolean) AND strpos(c.external_id, '@') > 0
                                    THEN regexp_replace(c.external_id, '([^\s@]?)[^\s@]*@\S*', '\1***@***', 'g')
                                  ELSE c.external_id
                                END) AS text),
                   'null')
       || ', '
       || '"name": '
       || COALESCE(CAST(to_json(CASE
                                  WHEN CAST(:masks_emails AS boolean) AND strpos(c.name, '@') > 0
                                    THEN regexp_replace(c.name, '([^\s@]?)[^\s@]*@\S*', '\1***@***', 'g')
                                  ELSE c.name
                                END) AS text),
                   'null')
       || ', '
       || '"email": '
       || COALESCE(CAST(to_json(CASE
                                  WHEN CAST(:masks_emails AS boolean) THEN "left"(c.email, 1) || '***@***'
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
       || "left"(CAST(to_json(pg_catalog.timezone('UTC', p.last_order_at)) AS text), -1)
       || 'Z"'
       || '}'
FROM (SELECT *, rank() OVER (ORDER BY spend DESC) AS rank
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
                  GROUP BY account_id, customer_id) AS f) AS a) AS p
     INNER JOIN customers AS c ON c.account_id = :account_id AND c.id = p.customer_id
ORDER BY p.spend DESC, p.customer_id
