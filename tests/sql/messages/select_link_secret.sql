SELECT a.cursor_secret, COALESCE(s.name, a.name) AS name
FROM accounts AS a LEFT JOIN senders AS s ON s.account_id = a.id
WHERE a.id = :account_id
