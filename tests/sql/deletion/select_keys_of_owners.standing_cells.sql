SELECT board_id, least_purchases, least_spend
FROM standing_cells
WHERE account_id = :account_id AND board_id = ANY(CAST(:owners AS bigint[]))
LIMIT CAST(:most AS bigint)
