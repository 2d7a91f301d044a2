UPDATE inbox
SET status = 'waiting', reason = NULL, detail = NULL, settled_at = NULL
WHERE account_id = :account_id AND source_id = :source_id AND id = :id AND content IS NOT NULL
RETURNING id, topic, status, reason, detail, received_at, settled_at
