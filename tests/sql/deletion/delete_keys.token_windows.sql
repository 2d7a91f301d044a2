DELETE FROM token_windows AS t
USING unnest(CAST(:key_id AS bigint[]), CAST(:token_id AS bigint[]), CAST(:limit_name AS text[])) AS n (key_id, token_id, limit_name)
WHERE t.account_id = :account_id
  AND t.key_id = n.key_id
  AND t.token_id = n.token_id
  AND t.limit_name = n.limit_name
