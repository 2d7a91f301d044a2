UPDATE boards AS b
SET customers = n.customers, purchases = n.purchases, spend = n.spend, version = b.version + 1
FROM (SELECT account_id,
             board_id,
             count(*) AS customers,
             sum(purchases) AS purchases,
             sum(spend) AS spend
      FROM standings
      WHERE account_id = :account_id AND board_id = ANY(CAST(:boards AS bigint[]))
      GROUP BY account_id, board_id) AS n
WHERE b.account_id = :account_id AND n.account_id = b.account_id AND b.id = n.board_id
