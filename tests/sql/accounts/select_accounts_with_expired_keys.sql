SELECT DISTINCT account_id
FROM idempotency_keys
WHERE created_at < :expired
