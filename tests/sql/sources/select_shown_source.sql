SELECT s.id,
       s.audience_id,
       s.name,
       s.platform,
       s.currency,
       s.time_zone,
       s.week_start,
       s.url,
       s.sender_name,
       s.sender_email,
       s.sender_reply_to,
       s.postal_address,
       s.language,
       s.consent_sentence,
       s.created_at,
       COALESCE(k.state, 'none') AS connection
FROM sources AS s
     LEFT JOIN store_connections AS k ON k.account_id = s.account_id AND k.source_id = s.id
WHERE s.account_id = :account_id AND s.id = :source_id AND s.deleted_at IS NULL
