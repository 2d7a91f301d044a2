SELECT a.plan, s.name, s.email, s.reply_to, s.postal_address
FROM accounts AS a LEFT JOIN senders AS s ON s.account_id = a.id
WHERE a.id = :account_id
