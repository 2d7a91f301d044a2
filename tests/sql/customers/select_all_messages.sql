SELECT m.id,
       m.kind,
       m.status,
       m.reason,
       m.template,
       m.subject,
       m.created_at,
       m.sent_at,
       m.message_id,
       m.provider_id,
       m.language,
       m.text,
       m.html,
       ARRAY(SELECT a.code || ' ' || a.detail
             FROM message_attempts AS a
             WHERE a.account_id = :account_id AND a.message_id = m.id
             ORDER BY a.id) AS answers
FROM messages AS m
WHERE m.account_id = :account_id AND m.customer_id = :customer_id
ORDER BY m.created_at DESC, m.id DESC
