DELETE FROM standings AS t
USING unnest(CAST(:board_id AS bigint[]), CAST(:customer_id AS bigint[])) AS n (board_id, customer_id)
WHERE t.account_id = :account_id AND t.board_id = n.board_id AND t.customer_id = n.customer_id
