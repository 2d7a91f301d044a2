SELECT a.cursor_secret,
       COALESCE(CASE WHEN o.sender_email IS NOT NULL THEN o.sender_name END, s.name, a.name) AS name
FROM accounts AS a
     LEFT JOIN senders AS s ON s.account_id = a.id
     LEFT JOIN messages AS m ON m.account_id = a.id AND m.id = :message_id
     LEFT JOIN customers AS c ON c.account_id = a.id AND c.id = m.customer_id
     LEFT JOIN sources AS o ON o.account_id = a.id AND o.id = c.source_id
WHERE a.id = :account_id AND a.deleted_at IS NULL
