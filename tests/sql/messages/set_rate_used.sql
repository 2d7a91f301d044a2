UPDATE senders
SET rate_used_until = :until
WHERE account_id = :account_id
