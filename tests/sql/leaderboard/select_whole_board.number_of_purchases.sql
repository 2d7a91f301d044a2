SELECT p.rank,
       'cus_' || p.customer_id AS customer_id,
       CASE
         WHEN CAST(:masks_emails AS boolean) AND strpos(c.external_id, '@') > 0
           THEN regexp_replace(c.external_id, '([^\s@]?)[^\s@]*@\S*', '\1***@***', 'g')
         ELSE c.external_id
       END AS external_id,
       CASE
         WHEN CAST(:masks_emails AS boolean) AND strpos(c.name, '@') > 0
           THEN regexp_replace(c.name, '([^\s@]?)[^\s@]*@\S*', '\1***@***', 'g')
         ELSE c.name
       END AS name,
       CASE
         WHEN CAST(:masks_emails AS boolean) THEN "left"(c.email, 1) || '***@***'
         ELSE c.email
       END AS email,
           c.marketing = 'subscribed'
       AND c.email IS NOT NULL
       AND NOT EXISTS (SELECT
                       FROM suppressions AS w
                       WHERE w.account_id = :account_id
                         AND w.address_hash = sha256((SELECT a.cursor_secret
                                                      FROM accounts AS a
                                                      WHERE a.id = :account_id) || convert_to('address:' || c.email,
                                                                                     'UTF8'))
                         AND w.reason IS NOT NULL) AS messageable,
       p.purchases AS number_of_purchases,
       CAST(p.spend * CAST(:unit AS numeric) AS text) AS total_spend,
       CAST(p.average * CAST(:unit AS numeric) AS text) AS average_order_amount,
       pg_catalog.btrim(CAST(to_json(pg_catalog.timezone('UTC', p.last_order_at)) AS text), '"') || 'Z' AS last_order_at,
       CAST(:currency AS text) AS currency
FROM (SELECT *, rank() OVER (ORDER BY purchases DESC) AS rank
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
ORDER BY p.purchases DESC, p.customer_id
