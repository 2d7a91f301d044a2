DELETE FROM store_connections AS t
USING unnest(CAST(:source_id AS bigint[])) AS n (source_id)
WHERE t.account_id = :account_id AND t.source_id = n.source_id
