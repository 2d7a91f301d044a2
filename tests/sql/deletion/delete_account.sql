DELETE FROM accounts
WHERE id = :account_id AND deleted_at IS NOT NULL
