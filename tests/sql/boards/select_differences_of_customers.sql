SELECT COALESCE(f.board_id, s.board_id) AS board_id,
       COALESCE(f.customer_id, s.customer_id) AS customer_id,
       f.purchases,
       f.spend,
       f.last_order_at,
       s.purchases AS old_purchases,
       s.spend AS old_spend
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
              AND customer_id = ANY(CAST(:customers AS bigint[]))
            GROUP BY account_id, customer_id, span) AS s
           INNER JOIN unnest(CAST(:spans AS integer[]), CAST(:span_boards AS bigint[])) AS p (span, board_id) ON p.span = s.span
      GROUP BY s.account_id, p.board_id, s.customer_id) AS f
     FULL JOIN (SELECT board_id, customer_id, purchases, spend, last_order_at
                FROM standings
                WHERE account_id = :account_id
                  AND board_id = ANY(CAST(:boards AS bigint[]))
                  AND customer_id = ANY(CAST(:customers AS bigint[]))) AS s ON s.board_id = f.board_id
                                                                   AND s.customer_id = f.customer_id
WHERE (f.purchases, f.spend, f.last_order_at) IS DISTINCT FROM (s.purchases, s.spend, s.last_order_at)
ORDER BY 1, 2
