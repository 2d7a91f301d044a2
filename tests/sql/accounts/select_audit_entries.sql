SELECT id, at, by, action, about
FROM audit_entries
WHERE account_id = :account_id AND id < :before
ORDER BY id DESC
LIMIT :limit
