DELETE FROM refused_rows AS t
USING unnest(CAST(:import_id AS bigint[]), CAST(:number AS bigint[])) AS n (import_id, number)
WHERE t.account_id = :account_id AND t.import_id = n.import_id AND t.number = n.number
