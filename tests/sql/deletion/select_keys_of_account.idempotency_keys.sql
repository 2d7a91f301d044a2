SELECT operation, key
FROM idempotency_keys
WHERE account_id = :account_id
LIMIT CAST(:most AS bigint)
