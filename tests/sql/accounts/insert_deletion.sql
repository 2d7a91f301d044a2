INSERT INTO deletions (account_id, noun, number, by, asked_at)
VALUES (:account_id, :noun, :number, :by, :now)
