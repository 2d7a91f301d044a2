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
       )
  SELECT 'cus_' || p.customer_id AS customer_id,
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
         CAST(:currency AS text) AS currency,
         p.spend > t.min_spend AS big_spender,
         p.purchases > t.min_orders AS frequent_buyer
  FROM figures AS p
       INNER JOIN customers AS c ON c.account_id = :account_id AND c.id = p.customer_id
       CROSS JOIN aimed AS t
  WHERE p.purchases > t.min_orders
  ORDER BY p.spend DESC, p.customer_id
