INSERT INTO standing_cells AS c (account_id, board_id, least_purchases, least_spend, customers)
SELECT CAST(:account_id AS bigint), n.board_id, n.least_purchases, n.least_spend, n.customers
FROM unnest(CAST(:boards AS bigint[]), CAST(:least_purchases AS bigint[]), CAST(:least_spends AS bigint[]), CAST(:customers AS bigint[])) AS n (board_id, least_purchases, least_spend, customers)
ON CONFLICT (account_id, board_id, least_purchases, least_spend)
   DO UPDATE
     SET customers = c.customers + excluded.customers
