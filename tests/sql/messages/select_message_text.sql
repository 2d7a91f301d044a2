SELECT text, html
FROM messages
WHERE account_id = :account_id AND id = :id
