UPDATE messages
SET status = 'cancelled', reason = 'by_request', due_at = NULL, settled_at = :now
WHERE account_id = :account_id AND id = :id AND status IN ('queued', 'held')
RETURNING id
