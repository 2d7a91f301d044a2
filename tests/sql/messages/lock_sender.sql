SELECT s.name,
       s.email,
       s.reply_to,
       s.postal_address,
       s.rate_used_until,
       s.paused_until,
       CASE
         WHEN a.closed_at IS NULL THEN a.plan
         ELSE 'free'
       END AS plan,
       a.cursor_secret
FROM senders AS s INNER JOIN accounts AS a ON a.id = s.account_id
WHERE s.account_id = :account_id
FOR NO KEY UPDATE OF s SKIP LOCKED
