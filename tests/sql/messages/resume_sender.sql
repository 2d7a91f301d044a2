UPDATE senders
SET paused_until = NULL, paused_because = NULL
WHERE account_id = :account_id AND paused_until = :until
