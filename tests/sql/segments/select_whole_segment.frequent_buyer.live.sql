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
  FROM (SELECT *
        FROM standings
        WHERE account_id = :account_id AND board_id = (SELECT id FROM board)) AS p
       INNER JOIN customers AS c ON c.account_id = :account_id AND c.id = p.customer_id
       CROSS JOIN aimed AS t
  WHERE p.purchases > t.min_orders
  ORDER BY p.spend DESC, p.customer_id
