DELETE FROM messages AS t
USING unnest(CAST(:id AS bigint[])) AS n (id)
WHERE t.account_id = :account_id AND t.id = n.id
