UPDATE store_connections
SET secrets = :secrets
WHERE account_id = :account_id AND source_id = :source_id
