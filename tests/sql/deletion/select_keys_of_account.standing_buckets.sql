SELECT board_id, CAST(metric AS text) AS metric, least_value
FROM standing_buckets
WHERE account_id = :account_id
LIMIT CAST(:most AS bigint)
