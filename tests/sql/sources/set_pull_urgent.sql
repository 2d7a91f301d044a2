UPDATE store_connections
SET pull_due_at = :now
WHERE account_id = :account_id AND source_id = :source_id AND pull_due_at > :now AND failures = 0
