SELECT m.id, m.kind, m.status, m.reason, m.template, m.subject, m.created_at, m.sent_at
FROM messages AS m
WHERE m.account_id = :account_id AND m.customer_id = :customer_id
ORDER BY m.created_at DESC, m.id DESC
LIMIT CAST(:limit AS bigint)
