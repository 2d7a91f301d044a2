UPDATE inbox AS i
SET status = n.status,
    reason = n.reason,
    detail = n.detail,
    settled_at = CAST(:now AS timestamptz),
    content = CASE
                WHEN n.forgets OR i.received_at <= CAST(:erased_at AS timestamptz) THEN NULL
                ELSE i.content
              END
FROM unnest(CAST(:ids AS bigint[]),
            CAST(:statuses AS text[]),
            CAST(:reasons AS text[]),
            CAST(:details AS text[]),
            CAST(:forgets AS boolean[])) AS n (id, status, reason, detail, forgets)
WHERE i.account_id = :account_id AND i.id = n.id
