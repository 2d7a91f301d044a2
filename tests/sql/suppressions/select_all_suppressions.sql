SELECT w.email AS address,
       w.reason,
       CASE w.reason
         WHEN 'dead' THEN w.dead_at WHEN 'complained' THEN w.complained_at
         ELSE w.left_at
       END AS since,
       CASE w.reason
         WHEN 'dead' THEN w.dead_by WHEN 'complained' THEN w.complained_by
         ELSE w.left_by
       END AS by
FROM suppressions AS w
WHERE w.account_id = :account_id AND w.reason IS NOT NULL AND w.email IS NOT NULL
ORDER BY w.address_hash
