UPDATE idempotency_keys
SET status = :status, location = :location, answer = :answer
WHERE account_id = :account_id AND operation = :operation AND key = :key
