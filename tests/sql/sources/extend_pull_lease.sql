UPDATE store_connections
SET pull_lease_until = :next_lease
WHERE account_id = :account_id AND source_id = :source_id AND pull_lease_until = :lease
