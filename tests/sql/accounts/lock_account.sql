SELECT id, name, plan, created_at, closed_at
FROM accounts
WHERE id = :account_id AND deleted_at IS NULL
FOR NO KEY UPDATE
