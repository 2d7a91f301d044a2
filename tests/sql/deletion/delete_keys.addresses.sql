DELETE FROM addresses AS t
USING unnest(CAST(:source_id AS bigint[]), CAST(:email AS text[])) AS n (source_id, email)
WHERE t.account_id = :account_id AND t.source_id = n.source_id AND t.email = n.email
