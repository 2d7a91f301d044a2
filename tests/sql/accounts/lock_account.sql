SELECT id
FROM accounts
WHERE id = :account_id
FOR UPDATE
