INSERT INTO daily_mails AS d (account_id, kind, day, queued)
VALUES (:account_id, :kind, :day, :mails)
ON CONFLICT (account_id, kind)
   DO UPDATE
     SET day = GREATEST(d.day, excluded.day),
         queued = CASE
                    WHEN d.day < excluded.day THEN excluded.queued
                    ELSE d.queued + excluded.queued
                  END
     WHERE d.day < excluded.day OR d.queued + excluded.queued <= :most
RETURNING day, queued
