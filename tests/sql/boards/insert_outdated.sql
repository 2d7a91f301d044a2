INSERT INTO outdated_standings (account_id, source_id, customer_id)
SELECT CAST(:account_id AS bigint), CAST(:source_id AS bigint), n.customer_id
FROM unnest(CAST(:customers AS bigint[])) AS n (customer_id)
ON CONFLICT (account_id, source_id, customer_id) DO NOTHING
