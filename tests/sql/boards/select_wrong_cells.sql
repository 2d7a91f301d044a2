SELECT DISTINCT COALESCE(n.board_id, c.board_id) AS board_id
FROM (SELECT s.account_id,
             s.board_id,
             (CAST(:bucket_edges AS bigint[]))[width_bucket(s.purchases, CAST(:bucket_edges AS bigint[]))] AS least_purchases,
             (CAST(:bucket_edges AS bigint[]))[width_bucket(s.spend, CAST(:bucket_edges AS bigint[]))] AS least_spend,
             count(*) AS customers
      FROM standings AS s
           INNER JOIN boards AS b ON b.account_id = s.account_id
                                 AND b.id = s.board_id
                                 AND b.kind = 'last_365_days'
      WHERE s.account_id = :account_id AND s.board_id = ANY(CAST(:boards AS bigint[]))
      GROUP BY s.account_id, s.board_id, least_purchases, least_spend) AS n
     FULL JOIN (SELECT board_id, least_purchases, least_spend, customers
                FROM standing_cells
                WHERE account_id = :account_id AND board_id = ANY(CAST(:boards AS bigint[]))) AS c ON c.board_id = n.board_id
                                                                                    AND c.least_purchases = n.least_purchases
                                                                                    AND c.least_spend = n.least_spend
WHERE COALESCE(n.customers, 0) <> COALESCE(c.customers, 0)
ORDER BY 1
LIMIT :most
