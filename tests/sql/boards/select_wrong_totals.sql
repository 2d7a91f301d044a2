SELECT b.id
FROM boards AS b
     LEFT JOIN (SELECT account_id,
                       board_id,
                       count(*) AS customers,
                       sum(purchases) AS purchases,
                       sum(spend) AS spend
                FROM standings
                WHERE account_id = :account_id AND board_id = ANY(CAST(:boards AS bigint[]))
                GROUP BY account_id, board_id) AS n ON n.account_id = b.account_id
                                                   AND n.board_id = b.id
WHERE b.account_id = :account_id
  AND b.id = ANY(CAST(:boards AS bigint[]))
  AND (b.customers, b.purchases, b.spend) <> (COALESCE(n.customers, 0),
                                              COALESCE(n.purchases, 0),
                                              COALESCE(n.spend, 0))
ORDER BY 1
LIMIT :most
