SELECT started_at, ended_at, outcome, code, detail
FROM message_attempts
WHERE account_id = :account_id AND message_id = :id
ORDER BY id
