UPDATE messages
SET customer_id = NULL,
    subject = NULL,
    text = NULL,
    html = NULL,
    provider_id = NULL,
    reason = CASE
               WHEN status IN ('queued', 'held') THEN 'erased'
               ELSE reason
             END,
    due_at = CASE
               WHEN status IN ('queued', 'held') THEN NULL
               ELSE due_at
             END,
    settled_at = CASE
                   WHEN status IN ('queued', 'held') THEN :now
                   ELSE settled_at
                 END,
    status = CASE
               WHEN status IN ('queued', 'held') THEN 'cancelled'
               ELSE status
             END
WHERE account_id = :account_id AND customer_id = :customer_id
RETURNING id
