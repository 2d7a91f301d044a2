INSERT INTO data_requests (account_id, source_id, customers, asked_at, tell_at)
VALUES (:account_id, :source_id, :customers, :asked_at, :now)
