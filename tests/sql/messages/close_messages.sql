UPDATE messages AS m
SET status = n.status,
    reason = n.reason,
    crashes = n.crashes,
    due_at = NULL,
    lease = NULL,
    settled_at = :now
FROM unnest(CAST(:ids AS bigint[]), CAST(:statuses AS text[]), CAST(:reasons AS text[]), CAST(:crashes AS bigint[])) AS n (id, status, reason, crashes)
WHERE m.account_id = :account_id AND m.id = n.id
