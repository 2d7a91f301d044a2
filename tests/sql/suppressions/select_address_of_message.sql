SELECT m.address_hash, c.email
FROM messages AS m LEFT JOIN customers AS c ON c.account_id = m.account_id AND c.id = m.customer_id
WHERE m.account_id = :account_id AND m.id = :message_id
