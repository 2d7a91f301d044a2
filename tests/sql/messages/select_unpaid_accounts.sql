SELECT DISTINCT m.account_id
FROM messages AS m INNER JOIN accounts AS a ON a.id = m.account_id
WHERE m.due_at IS NOT NULL AND m.status = 'queued' AND (a.plan = 'free' OR a.closed_at IS NOT NULL)
