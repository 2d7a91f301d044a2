INSERT INTO standing_buckets (account_id, board_id, metric, least_value, customers)
SELECT s.account_id,
       s.board_id,
       v.metric,
       (CAST(:bucket_edges AS bigint[]))[width_bucket(v.value, CAST(:bucket_edges AS bigint[]))] AS least_value,
       count(*) AS customers
FROM standings AS s
     CROSS JOIN LATERAL ((VALUES (CAST('number_of_purchases' AS metric),
                                  CAST(s.purchases AS bigint)),
                                 (CAST('total_spend' AS metric), CAST(s.spend AS bigint)),
                                 (CAST('average_order_amount' AS metric), CAST(s.average AS bigint)))) AS v (metric, value)
WHERE s.account_id = :account_id AND s.board_id = ANY(CAST(:boards AS bigint[]))
GROUP BY s.account_id, s.board_id, v.metric, least_value
ORDER BY 1, 2, 3, 4
