UPDATE messages AS m
SET status = 'sending',
    lease = :lease,
    due_at = :lease_until,
    crashes = n.crashes,
    address_hash = n.address_hash,

    -- a message that was `sending` may have been handed over by the worker that died
    maybe_duplicate = m.maybe_duplicate OR m.status = 'sending',

    -- a try that does not count as an attempt, such as a refused login, does not set it
    first_tried_at = CASE
                       WHEN m.attempts = 0 THEN :now
                       ELSE m.first_tried_at
                     END
FROM unnest(CAST(:ids AS bigint[]), CAST(:crashes AS bigint[]), CAST(:address_hashes AS bytea[])) AS n (id, crashes, address_hash)
WHERE m.account_id = :account_id AND m.id = n.id
