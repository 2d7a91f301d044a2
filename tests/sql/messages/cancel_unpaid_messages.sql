UPDATE messages
SET status = 'cancelled', reason = 'plan_lost', due_at = NULL, lease = NULL, settled_at = :now
WHERE account_id = :account_id
  AND (status = 'queued' OR (status = 'sending' AND due_at <= :now))
  AND EXISTS (SELECT
              FROM accounts AS a
              WHERE a.id = :account_id AND (a.plan = 'free' OR a.closed_at IS NOT NULL))
