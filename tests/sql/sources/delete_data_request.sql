DELETE FROM data_requests
WHERE account_id = :account_id AND id = :id
