SELECT account_id
FROM messages
WHERE due_at <= :now AND account_id > :after
ORDER BY account_id
LIMIT 1
