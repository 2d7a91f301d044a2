-- the outcomes of messages whose lease this worker still holds
WITH settled AS (
         UPDATE messages AS m
         SET status = n.status,
             reason = n.reason,
             attempts = n.attempts,
             due_at = n.due_at,
             lease = NULL,
             provider_id = CASE
                             WHEN m.customer_id IS NOT NULL THEN n.provider_id
                           END,
             maybe_duplicate = m.maybe_duplicate OR n.maybe_duplicate,
             sent_at = n.sent_at,
             settled_at = n.settled_at
         FROM unnest(CAST(:ids AS bigint[]),
                     CAST(:leases AS bigint[]),
                     CAST(:statuses AS text[]),
                     CAST(:reasons AS text[]),
                     CAST(:attempts AS bigint[]),
                     CAST(:dues_at AS timestamptz[]),
                     CAST(:provider_ids AS text[]),
                     CAST(:maybe_duplicates AS boolean[]),
                     CAST(:sents_at AS timestamptz[]),
                     CAST(:settleds_at AS timestamptz[])) AS n (id, lease, status, reason, attempts, due_at, provider_id, maybe_duplicate, sent_at, settled_at)
         WHERE m.account_id = :account_id AND m.id = n.id AND m.lease = n.lease AND m.status = 'sending'
         RETURNING m.account_id, m.id, m.customer_id
       ),

     -- the attempts; of erased customers no detail is kept, because it may hold their address
     logged AS (
         INSERT INTO message_attempts (account_id,
                                       message_id,
                                       started_at,
                                       ended_at,
                                       outcome,
                                       code,
                                       detail)
         SELECT s.account_id,
                s.id,
                n.started_at,
                n.ended_at,
                n.outcome,
                n.code,
                CASE
                  WHEN s.customer_id IS NULL THEN ''
                  ELSE n.detail
                END
         FROM settled AS s
              INNER JOIN unnest(CAST(:ids AS bigint[]),
                                CAST(:starteds_at AS timestamptz[]),
                                CAST(:endeds_at AS timestamptz[]),
                                CAST(:outcomes AS text[]),
                                CAST(:codes AS text[]),
                                CAST(:details AS text[])) AS n (id, started_at, ended_at, outcome, code, detail) ON n.id = s.id
       )
  SELECT id
  FROM settled
