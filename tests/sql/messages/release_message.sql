UPDATE messages
SET status = 'queued', reason = NULL, crashes = 0, due_at = :now, settled_at = NULL
WHERE account_id = :account_id AND id = :id AND status = 'held'
RETURNING id
