SELECT secrets
FROM store_connections
WHERE account_id = :account_id AND source_id = :source_id
FOR UPDATE
