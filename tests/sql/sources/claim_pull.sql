UPDATE store_connections
SET pull_lease_until = :lease,
    pull_began_at = CASE
                      WHEN pull_cursor IS NULL THEN :now
                      ELSE pull_began_at
                    END
WHERE account_id = :account_id
  AND source_id = :source_id
  AND pull_due_at <= :now
  AND state <> 'disconnected'
  AND (pull_lease_until IS NULL OR pull_lease_until < :now)
RETURNING secrets, state, pulled_until, pull_cursor, failures
