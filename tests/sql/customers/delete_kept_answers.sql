DELETE FROM idempotency_keys
WHERE account_id = :account_id AND operation = 'sendMessage' AND location = ANY(CAST(:locations AS text[]))
