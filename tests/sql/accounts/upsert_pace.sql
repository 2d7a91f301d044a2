INSERT INTO senders (account_id, rate_used_until)
VALUES (:account_id, :now)
ON CONFLICT (account_id)
   DO UPDATE
     SET paused_until = NULL, paused_because = NULL
