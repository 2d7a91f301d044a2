INSERT INTO store_connections AS k (account_id, source_id, secrets, state, reason, since)
VALUES (:account_id, :source_id, :secrets, 'connecting', :reason, :now)
ON CONFLICT (account_id, source_id)
   DO UPDATE
     SET secrets = excluded.secrets
