INSERT INTO suppressions AS w (account_id,
                               address_hash,
                               email,
                               left_at,
                               left_by,
                               complained_at,
                               complained_by,
                               dead_at,
                               dead_by,
                               opted_in_at,
                               opted_in_by)
SELECT CAST(:account_id AS bigint),
       n.address_hash,
       n.email,
       n.left_at,
       CASE
         WHEN n.left_at IS NOT NULL THEN CAST(:by AS text)
       END,
       n.complained_at,
       CASE
         WHEN n.complained_at IS NOT NULL THEN CAST(:by AS text)
       END,
       n.dead_at,
       CASE
         WHEN n.dead_at IS NOT NULL THEN CAST(:by AS text)
       END,
       n.opted_in_at,
       CASE
         WHEN n.opted_in_at IS NOT NULL THEN CAST(:by AS text)
       END
FROM unnest(CAST(:address_hashes AS bytea[]),
            CAST(:emails AS text[]),
            CAST(:lefts_at AS timestamptz[]),
            CAST(:complaineds_at AS timestamptz[]),
            CAST(:deads_at AS timestamptz[]),
            CAST(:opted_ins_at AS timestamptz[])) AS n (address_hash, email, left_at, complained_at, dead_at, opted_in_at)
ORDER BY n.address_hash
ON CONFLICT (account_id, address_hash)
   DO UPDATE
     SET email = COALESCE(excluded.email, w.email),
         left_at = GREATEST(w.left_at, excluded.left_at),
         left_by = CASE
                     WHEN excluded.left_at > w.left_at
                       OR (w.left_at IS NULL AND excluded.left_at IS NOT NULL)
                       THEN excluded.left_by
                     ELSE w.left_by
                   END,
         complained_at = GREATEST(w.complained_at, excluded.complained_at),
         complained_by = CASE
                           WHEN excluded.complained_at > w.complained_at
                             OR (w.complained_at IS NULL AND excluded.complained_at IS NOT NULL)
                             THEN excluded.complained_by
                           ELSE w.complained_by
                         END,
         dead_at = GREATEST(w.dead_at, excluded.dead_at),
         dead_by = CASE
                     WHEN excluded.dead_at > w.dead_at
                       OR (w.dead_at IS NULL AND excluded.dead_at IS NOT NULL)
                       THEN excluded.dead_by
                     ELSE w.dead_by
                   END,
         opted_in_at = GREATEST(w.opted_in_at, excluded.opted_in_at),
         opted_in_by = CASE
                         WHEN excluded.opted_in_at > w.opted_in_at
                           OR (w.opted_in_at IS NULL AND excluded.opted_in_at IS NOT NULL)
                           THEN excluded.opted_in_by
                         ELSE w.opted_in_by
                       END
RETURNING w.email, w.reason IS NOT NULL AS is_suppressed
