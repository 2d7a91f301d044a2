INSERT INTO standing_buckets AS b (account_id, board_id, metric, least_value, customers)
SELECT CAST(:account_id AS bigint), n.board_id, CAST(n.metric AS metric), n.least_value, n.customers
FROM unnest(CAST(:boards AS bigint[]), CAST(:metrics AS text[]), CAST(:least_values AS bigint[]), CAST(:customers AS bigint[])) AS n (board_id, metric, least_value, customers)
ON CONFLICT (account_id, board_id, metric, least_value)
   DO UPDATE
     SET customers = b.customers + excluded.customers
