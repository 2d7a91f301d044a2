SELECT DISTINCT COALESCE(n.board_id, b.board_id) AS board_id
FROM (SELECT s.account_id,
             s.board_id,
             v.metric,
             (CAST(:bucket_edges AS bigint[]))[width_bucket(v.value, CAST(:bucket_edges AS bigint[]))] AS least_value,
             count(*) AS customers
      FROM standings AS s
           CROSS JOIN LATERAL ((VALUES (CAST('number_of_purchases' AS metric),
                                        CAST(s.purchases AS bigint)),
                                       (CAST('total_spend' AS metric), CAST(s.spend AS bigint)),
                                       (CAST('average_order_amount' AS metric),
                                        CAST(s.average AS bigint)))) AS v (metric, value)
      WHERE s.account_id = :account_id AND s.board_id = ANY(CAST(:boards AS bigint[]))
      GROUP BY s.account_id, s.board_id, v.metric, least_value) AS n
     FULL JOIN (SELECT board_id, metric, least_value, customers
                FROM standing_buckets
                WHERE account_id = :account_id AND board_id = ANY(CAST(:boards AS bigint[]))) AS b ON b.board_id = n.board_id
                                                                                    AND b.metric = n.metric
                                                                                    AND b.least_value = n.least_value
WHERE COALESCE(n.customers, 0) <> COALESCE(b.customers, 0)
ORDER BY 1
LIMIT :most
