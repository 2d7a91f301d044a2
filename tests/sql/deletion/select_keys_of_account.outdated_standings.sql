SELECT source_id, customer_id
FROM outdated_standings
WHERE account_id = :account_id
LIMIT CAST(:most AS bigint)
