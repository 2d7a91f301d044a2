INSERT INTO inbox (account_id, source_id, identity, topic, content, status, received_at)
SELECT CAST(:account_id AS bigint), n.source_id, n.identity, n.topic, n.content, 'waiting', n.received_at
FROM unnest(CAST(:identities AS bytea[]),
            CAST(:source_ids AS bigint[]),
            CAST(:topics AS text[]),
            CAST(:contents AS bytea[]),
            CAST(:moments AS timestamptz[])) AS n (identity, source_id, topic, content, received_at)
ON CONFLICT (account_id, source_id, identity) DO NOTHING
