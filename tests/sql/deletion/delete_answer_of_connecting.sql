DELETE FROM idempotency_keys
WHERE account_id = :account_id AND operation = 'connectSource' AND answer LIKE :begins
