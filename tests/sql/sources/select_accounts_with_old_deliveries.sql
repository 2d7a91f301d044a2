SELECT DISTINCT account_id
FROM inbox
WHERE received_at < :expired AND status <> 'waiting'
