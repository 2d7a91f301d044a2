UPDATE store_connections
SET pull_due_at = :due_at, pull_lease_until = NULL
WHERE account_id = :account_id AND source_id = :source_id
