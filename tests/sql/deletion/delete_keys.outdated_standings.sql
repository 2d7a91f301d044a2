DELETE FROM outdated_standings AS t
USING unnest(CAST(:source_id AS bigint[]), CAST(:customer_id AS bigint[])) AS n (source_id, customer_id)
WHERE t.account_id = :account_id AND t.source_id = n.source_id AND t.customer_id = n.customer_id
