INSERT INTO senders (account_id, name, email, reply_to, postal_address, rate_used_until)
VALUES (:account_id, :name, :email, :reply_to, :postal_address, :now)
ON CONFLICT (account_id)
   DO UPDATE
     SET name = excluded.name,
         email = excluded.email,
         reply_to = excluded.reply_to,
         postal_address = excluded.postal_address,
         paused_until = NULL,
         paused_because = NULL
