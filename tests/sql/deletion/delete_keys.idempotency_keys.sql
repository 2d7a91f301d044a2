DELETE FROM idempotency_keys AS t
USING unnest(CAST(:operation AS text[]), CAST(:key AS text[])) AS n (operation, key)
WHERE t.account_id = :account_id AND t.operation = n.operation AND t.key = n.key
