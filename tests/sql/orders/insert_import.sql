INSERT INTO imports (account_id,
                     source_id,
                     received,
                     created,
                     updated,
                     unchanged,
                     rejected,
                     started_at,
                     progressed_at)
VALUES (:account_id, :source_id, 0, 0, 0, 0, 0, :now, :now)
RETURNING id
