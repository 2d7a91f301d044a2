INSERT INTO standing_cells (account_id, board_id, least_purchases, least_spend, customers)
SELECT s.account_id,
       s.board_id,
       (CAST(:bucket_edges AS bigint[]))[width_bucket(s.purchases, CAST(:bucket_edges AS bigint[]))] AS least_purchases,
       (CAST(:bucket_edges AS bigint[]))[width_bucket(s.spend, CAST(:bucket_edges AS bigint[]))] AS least_spend,
       count(*) AS customers
FROM standings AS s
     INNER JOIN boards AS b ON b.account_id = s.account_id
                           AND b.id = s.board_id
                           AND b.kind = 'last_365_days'
WHERE s.account_id = :account_id AND s.board_id = ANY(CAST(:boards AS bigint[]))
GROUP BY s.account_id, s.board_id, least_purchases, least_spend
ORDER BY 1, 2, 3, 4
