SELECT board_id, least_purchases, least_spend
FROM standing_cells
WHERE account_id = :account_id
LIMIT CAST(:most AS bigint)
