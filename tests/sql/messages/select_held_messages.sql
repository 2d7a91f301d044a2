SELECT account_id, id
FROM messages
WHERE status = 'held'
ORDER BY account_id, id
