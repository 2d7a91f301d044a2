UPDATE accounts
SET cursor_secret = :secret
WHERE id = 1
