INSERT INTO audiences (account_id, name, created_at)
VALUES (:account_id, :name, :now)
RETURNING id
