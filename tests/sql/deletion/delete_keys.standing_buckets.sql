DELETE FROM standing_buckets AS t
USING unnest(CAST(:board_id AS bigint[]), CAST(CAST(:metric AS text[]) AS metric[]), CAST(:least_value AS bigint[])) AS n (board_id, metric, least_value)
WHERE t.account_id = :account_id
  AND t.board_id = n.board_id
  AND t.metric = n.metric
  AND t.least_value = n.least_value
