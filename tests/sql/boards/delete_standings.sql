DELETE FROM standings AS s
USING unnest(CAST(:boards AS bigint[]), CAST(:customers AS bigint[])) AS n (board_id, customer_id)
WHERE s.account_id = :account_id AND s.board_id = n.board_id AND s.customer_id = n.customer_id
