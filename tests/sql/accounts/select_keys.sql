SELECT id, name, scopes, created_at
FROM api_keys
WHERE account_id = :account_id AND revoked_at IS NULL AND id > :after
ORDER BY id
LIMIT :limit
