UPDATE api_keys
SET revoked_at = :now
WHERE account_id = :account_id AND id = :key_id AND revoked_at IS NULL
