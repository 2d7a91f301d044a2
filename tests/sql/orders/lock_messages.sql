SELECT id
FROM messages
WHERE account_id = :account_id AND customer_id = ANY(CAST(:ids AS bigint[]))
ORDER BY id
FOR NO KEY UPDATE
