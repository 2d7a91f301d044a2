DELETE FROM idempotency_keys
WHERE account_id = :account_id AND created_at < :expired
