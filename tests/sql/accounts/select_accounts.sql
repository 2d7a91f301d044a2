SELECT id, name, plan, created_at, closed_at
FROM accounts
WHERE id > :after AND deleted_at IS NULL
ORDER BY id
LIMIT :limit
