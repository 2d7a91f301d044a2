SELECT fingerprint, status, location, answer
FROM idempotency_keys
WHERE account_id = :account_id AND operation = :operation AND key = :key
