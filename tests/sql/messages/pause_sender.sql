UPDATE senders
SET paused_until = :until, paused_because = :because
WHERE account_id = :account_id
