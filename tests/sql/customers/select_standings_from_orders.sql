-- everybody's figures in each frame; the orders are read once for all frames
WITH figures AS MATERIALIZED (
         SELECT board_id AS position,
                customer_id,
                purchases,
                spend,
                last_order_at,
                spend / purchases + CAST(spend % purchases * 2 >= purchases AS integer) AS average
         FROM (SELECT s.account_id,
                      p.board_id,
                      s.customer_id,
                      CAST(sum(s.purchases) AS bigint) AS purchases,
                      CAST(sum(s.spend) AS bigint) AS spend,
                      max(s.last_order_at) AS last_order_at
               FROM (SELECT account_id,
                            customer_id,
                            width_bucket(ordered_at, CAST(:edges AS timestamptz[])) AS span,
                            CAST(count(*) AS bigint) AS purchases,
                            CAST(sum(spend) AS bigint) AS spend,
                            max(ordered_at) AS last_order_at
                     FROM orders
                     WHERE account_id = :account_id
                       AND source_id = :source_id
                       AND spend IS NOT NULL
                       AND ordered_at >= :counted_from
                       AND ordered_at < :counted_until
                     GROUP BY account_id, customer_id, span) AS s
                    INNER JOIN unnest(CAST(:spans AS integer[]), CAST(:span_boards AS bigint[])) AS p (span, board_id) ON p.span = s.span
               GROUP BY s.account_id, p.board_id, s.customer_id) AS f
       ),

     -- the customer's own
     own AS MATERIALIZED (
         SELECT *
         FROM figures
         WHERE customer_id = :customer_id
       ),

     -- the totals of each frame, and who is above the customer
     counted AS MATERIALIZED (
         SELECT f.position,
                count(*) AS customers,
                sum(f.purchases) AS purchases,
                sum(f.spend) AS spend,
                ARRAY[CASE
                        WHEN count(s.customer_id) > 0
                          THEN count(*) FILTER (WHERE f.purchases > s.purchases) + 1
                      END,
                      CASE
                        WHEN count(s.customer_id) > 0
                          THEN count(*) FILTER (WHERE f.spend > s.spend) + 1
                      END,
                      CASE
                        WHEN count(s.customer_id) > 0
                          THEN count(*) FILTER (WHERE f.average > s.average) + 1
                      END] AS ranks,
                ARRAY[min(f.purchases) FILTER (WHERE f.purchases > s.purchases),
                      min(f.spend) FILTER (WHERE f.spend > s.spend),
                      min(f.average) FILTER (WHERE f.average > s.average)] AS better
         FROM figures AS f LEFT JOIN own AS s ON s.position = f.position
         GROUP BY f.position
       )
  SELECT n.position,
         TRUE AS has_answer,
         COALESCE(b.customers, 0) AS customers,
         ARRAY[s.purchases, s.spend, s.average] AS figures,
         b.ranks,
         b.better,
         m.min_spend,
         m.min_orders,
         s.spend > m.min_spend AS big_spender,
         s.purchases > m.min_orders AS frequent_buyer
  FROM unnest(CAST(:positions AS bigint[])) AS n (position)
       LEFT JOIN counted AS b ON b.position = n.position
       LEFT JOIN own AS s ON s.position = n.position
       LEFT JOIN LATERAL (SELECT CAST(LEAST(div(22 * b.spend + 10 * b.buyers, 20 * b.buyers),
                                            9223372036854775807) AS bigint) AS min_spend,
                                 CAST(div(CAST(b.purchases AS numeric), b.buyers) AS bigint) + 1 AS min_orders
                          FROM (SELECT CAST(b.spend AS numeric) AS spend,
                                       b.purchases AS purchases,
                                       NULLIF(b.customers, 0) AS buyers) AS b) AS m ON b.customers > 0
