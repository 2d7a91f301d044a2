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

     -- how many customers are in each bucket
     bars AS MATERIALIZED (
         SELECT metric, least_value, CAST(sum(customers) AS bigint) AS customers
         FROM (SELECT v.metric,
                      (CAST(:bucket_edges AS bigint[]))[width_bucket(v.value, CAST(:bucket_edges AS bigint[]))] AS least_value,
                      1 AS customers
               FROM figures AS n
                    CROSS JOIN LATERAL ((VALUES ('total_spend', n.spend),
                                                ('number_of_purchases', n.purchases))) AS v (metric, value)) AS u
         GROUP BY metric, least_value
         HAVING sum(customers) > 0
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
         (SELECT array_agg(ARRAY[least_value, customers] ORDER BY least_value)
          FROM bars
          WHERE metric = 'total_spend') AS spend_pairs,
         (SELECT array_agg(ARRAY[least_value, customers] ORDER BY least_value)
          FROM bars
          WHERE metric = 'number_of_purchases') AS purchases_pairs
  FROM counted AS t
