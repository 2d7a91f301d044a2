DELETE FROM standing_cells AS t
USING unnest(CAST(:board_id AS bigint[]), CAST(:least_purchases AS bigint[]), CAST(:least_spend AS bigint[])) AS n (board_id, least_purchases, least_spend)
WHERE t.account_id = :account_id
  AND t.board_id = n.board_id
  AND t.least_purchases = n.least_purchases
  AND t.least_spend = n.least_spend
