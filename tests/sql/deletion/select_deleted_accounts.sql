SELECT id AS account_id
FROM accounts
WHERE deleted_at <= :until
ORDER BY deleted_at
