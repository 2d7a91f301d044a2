UPDATE store_connections
SET pulled_until = pull_began_at,
    pull_cursor = NULL,
    pull_lease_until = NULL,
    failures = 0,
    reconciled_at = :now,
    pull_due_at = :due_at,
    reason = CAST(:reason AS text),
    since = CASE
              WHEN state = CAST(:state AS text) THEN since
              ELSE CAST(:now AS timestamptz)
            END,
    state = CAST(:state AS text)
WHERE account_id = :account_id AND source_id = :source_id AND pull_lease_until = :lease AND state <> 'disconnected'
