UPDATE store_connections
SET state = :state, reason = :reason, since = :now
WHERE account_id = :account_id AND source_id = :source_id AND state <> :state AND state <> 'disconnected'
