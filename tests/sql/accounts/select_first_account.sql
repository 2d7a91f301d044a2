SELECT id AS account_id
FROM accounts
WHERE deleted_at IS NULL
ORDER BY id
LIMIT 1
