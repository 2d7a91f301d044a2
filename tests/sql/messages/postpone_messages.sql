UPDATE messages AS m
SET status = 'queued',
    reason = :reason,
    due_at = :until,
    lease = NULL,
    crashes = n.crashes,
    maybe_duplicate = m.maybe_duplicate OR m.status = 'sending'
FROM unnest(CAST(:ids AS bigint[]), CAST(:crashes AS bigint[])) AS n (id, crashes)
WHERE m.account_id = :account_id AND m.id = n.id
