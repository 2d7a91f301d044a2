INSERT INTO sources (account_id,
                     audience_id,
                     name,
                     platform,
                     currency,
                     time_zone,
                     week_start,
                     url,
                     boards_due_at,
                     created_at)
VALUES (:account_id, :audience_id, :name, :platform, :currency, :time_zone, :week_start, :url, :now, :now)
RETURNING id
