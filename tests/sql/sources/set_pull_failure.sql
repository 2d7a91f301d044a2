UPDATE store_connections
SET failures = :failures,
    pull_due_at = CAST(:due_at AS timestamptz),
    pull_lease_until = NULL,
    reason = COALESCE(CAST(:reason AS text), reason),
    since = CASE
              WHEN state = CAST(:state AS text) THEN since
              ELSE CAST(:now AS timestamptz)
            END,
    state = CAST(:state AS text)
WHERE account_id = :account_id AND source_id = :source_id AND pull_lease_until = :lease AND state <> 'disconnected'
