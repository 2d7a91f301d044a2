INSERT INTO token_windows AS w (account_id, key_id, token_id, limit_name, began_at, taken, leased)
VALUES (:account_id, :key_id, :token_id, :limit_name, :began_at, :block, :block)
ON CONFLICT (account_id, key_id, token_id, limit_name)
   DO UPDATE
     SET began_at = GREATEST(w.began_at, excluded.began_at),
         leased = CASE
                    WHEN w.began_at < excluded.began_at THEN excluded.leased
                    ELSE GREATEST(LEAST(:block, :quota - w.taken, GREATEST((:quota - w.taken) / 4, 1)), 0)
                  END,
         taken = CASE
                   WHEN w.began_at < excluded.began_at THEN excluded.taken
                   ELSE w.taken + GREATEST(LEAST(:block, :quota - w.taken, GREATEST((:quota - w.taken) / 4, 1)),
                                           0)
                 END
RETURNING leased, taken
