UPDATE standing_buckets AS b
SET customers = b.customers + n.customers
FROM unnest(CAST(:boards AS bigint[]),
            CAST(CAST(:metrics AS text[]) AS metric[]),
            CAST(:least_values AS bigint[]),
            CAST(:customers AS bigint[])) AS n (board_id, metric, least_value, customers)
WHERE b.account_id = :account_id
  AND b.board_id = n.board_id
  AND b.metric = n.metric
  AND b.least_value = n.least_value
