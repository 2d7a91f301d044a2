SELECT a.id,
       a.name,
       a.plan,
       a.created_at,
       s.name AS sender_name,
       s.email AS sender_email,
       s.reply_to AS sender_reply_to,
       s.postal_address AS sender_postal_address,
       s.paused_until,
       s.paused_because
FROM accounts AS a LEFT JOIN senders AS s ON s.account_id = a.id
WHERE a.id = :account_id
