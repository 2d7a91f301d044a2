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
       || ', '
       || '"previous_rank": '
       || COALESCE(CAST(q.rank AS text), 'null')
       || ', '
       || '"movement": '
       || COALESCE(CAST(q.rank - p.rank AS text), 'null')
       || ', '
       || '"is_new": '
       || (q.rank IS NULL)
       || '}'
FROM (SELECT *, rank() OVER (ORDER BY spend DESC) AS rank
      FROM (SELECT * FROM standings WHERE account_id = :account_id AND board_id = :board_id) AS a) AS p
     INNER JOIN customers AS c ON c.account_id = :account_id AND c.id = p.customer_id
     LEFT JOIN (SELECT customer_id, rank() OVER (ORDER BY spend DESC) AS rank
                FROM standings
                WHERE account_id = :account_id AND board_id = :previous_board_id) AS q ON q.customer_id = p.customer_id
ORDER BY p.spend DESC, p.customer_id
