SELECT w.address_hash,
       w.email,
       w.reason,
       CASE w.reason
         WHEN 'dead' THEN w.dead_at WHEN 'complained' THEN w.complained_at
         ELSE w.left_at
       END AS since,
       CASE w.reason
         WHEN 'dead' THEN w.dead_by WHEN 'complained' THEN w.complained_by
         ELSE w.left_by
       END AS by,
       w.left_at,
       w.complained_at,
       w.dead_at,
       w.opted_in_at
FROM suppressions AS w
WHERE w.account_id = :account_id AND w.address_hash = :address_hash AND w.reason IS NOT NULL
