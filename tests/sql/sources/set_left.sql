UPDATE store_connections
SET state = 'disconnected', reason = 'deleted', since = :now
WHERE account_id = :account_id AND source_id = :source_id
