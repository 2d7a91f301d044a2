UPDATE messages
SET status = :status,
    due_at = NULL,
    lease = NULL,

    -- why it was held or given up no longer holds
    reason = COALESCE(:reason, CASE WHEN status IN ('bounced', 'complained') THEN reason END),
    sent_at = COALESCE(sent_at, :now),
    settled_at = :now
WHERE account_id = :account_id AND id = :id AND status = ANY(CAST(:earlier AS text[]))
