INSERT INTO api_keys (account_id, name, scopes, hash, created_at)
VALUES (:account_id, :name, :scopes, :hash, :now)
ON CONFLICT (account_id, hash) DO NOTHING
RETURNING id
