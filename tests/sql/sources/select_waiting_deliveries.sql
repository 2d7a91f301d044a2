SELECT id, content, received_at
FROM inbox
WHERE account_id = :account_id AND source_id = :source_id AND status = 'waiting'
ORDER BY id
LIMIT :limit
