DELETE FROM outdated_standings
WHERE account_id = :account_id AND source_id = :source_id AND customer_id = ANY(CAST(:customers AS bigint[]))
