UPDATE standing_cells AS c
SET customers = c.customers + n.customers
FROM unnest(CAST(:boards AS bigint[]), CAST(:least_purchases AS bigint[]), CAST(:least_spends AS bigint[]), CAST(:customers AS bigint[])) AS n (board_id, least_purchases, least_spend, customers)
WHERE c.account_id = :account_id
  AND c.board_id = n.board_id
  AND c.least_purchases = n.least_purchases
  AND c.least_spend = n.least_spend
