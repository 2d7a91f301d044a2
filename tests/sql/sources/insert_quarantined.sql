INSERT INTO inbox (account_id,
                   source_id,
                   identity,
                   topic,
                   content,
                   status,
                   reason,
                   detail,
                   received_at,
                   settled_at)
VALUES (:account_id, :source_id, :identity, :topic, :content, 'quarantined', :reason, :detail, :now, :now)
ON CONFLICT (account_id, source_id, identity) DO NOTHING
