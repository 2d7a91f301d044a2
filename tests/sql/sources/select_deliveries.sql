SELECT id, topic, status, reason, detail, received_at, settled_at
FROM inbox
WHERE account_id = :account_id AND source_id = :source_id AND id < :before
ORDER BY id DESC
LIMIT :limit
