UPDATE messages AS m
SET due_at = :lease_until
FROM unnest(CAST(:ids AS bigint[]), CAST(:leases AS bigint[])) AS n (id, lease)
WHERE m.account_id = :account_id AND m.id = n.id AND m.lease = n.lease AND m.status = 'sending'
