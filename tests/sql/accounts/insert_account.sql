INSERT INTO accounts (name, plan, cursor_secret, created_at)
VALUES (:name, :plan, :cursor_secret, :now)
RETURNING id
