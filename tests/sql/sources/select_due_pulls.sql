SELECT account_id, source_id
FROM store_connections
WHERE pull_due_at <= :now
  AND state <> 'disconnected'
  AND (pull_lease_until IS NULL OR pull_lease_until < :now)
ORDER BY pull_due_at
LIMIT 50
