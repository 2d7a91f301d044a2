INSERT INTO sources (account_id,
                     audience_id,
                     name,
                     platform,
                     currency,
                     time_zone,
                     week_start,
                     url,
                     sender_name,
                     sender_email,
                     sender_reply_to,
                     postal_address,
                     language,
                     consent_sentence,
                     boards_due_at,
                     created_at)
VALUES (:account_id, :audience_id, :name, :platform, :currency, :time_zone, :week_start, :url, :sender_name, :sender_email, :sender_reply_to, :postal_address, :language, :consent_sentence, :now, :now)
RETURNING id
