SELECT m.id,
       m.customer_id,
       m.kind,
       m.language,
       m.template,
       m.subject,
       m.status,
       m.reason,
       m.attempts,
       m.crashes,
       m.maybe_duplicate,
       m.message_id,
       m.created_at,
       m.sent_at,
       m.settled_at,
       CASE
         WHEN m.status = 'queued' THEN m.due_at
       END AS next_attempt_at
FROM messages AS m
WHERE m.account_id = :account_id
  AND NOT EXISTS (SELECT
                  FROM customers AS c
                       INNER JOIN sources AS s ON s.account_id = c.account_id
                                              AND s.id = c.source_id
                  WHERE c.account_id = m.account_id
                    AND c.id = m.customer_id
                    AND s.deleted_at IS NOT NULL)
  AND m.customer_id = :customer
  AND m.status = :status
  AND m.created_at >= :since
  AND (m.created_at, m.id) < (:after_created_at, :after_id)
ORDER BY m.created_at DESC, m.id DESC
LIMIT CAST(:limit AS bigint)
