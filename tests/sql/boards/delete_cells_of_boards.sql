DELETE FROM standing_cells
WHERE account_id = :account_id AND board_id = ANY(CAST(:boards AS bigint[]))
