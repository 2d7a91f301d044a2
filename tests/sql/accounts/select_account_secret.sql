SELECT cursor_secret
FROM accounts
WHERE id = :account_id
