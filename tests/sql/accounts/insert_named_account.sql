INSERT INTO accounts (id, name, plan, cursor_secret, created_at)
VALUES (:account_id, :name, :plan, :cursor_secret, :now)
ON CONFLICT (id) DO NOTHING
