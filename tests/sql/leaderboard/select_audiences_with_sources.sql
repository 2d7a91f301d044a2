SELECT a.id AS audience_id,
       a.name AS audience,
       s.id,
       s.name,
       s.platform,
       s.currency,
       s.time_zone,
       s.week_start
FROM audiences AS a
     LEFT JOIN sources AS s ON s.account_id = a.account_id
                           AND s.audience_id = a.id
                           AND s.deleted_at IS NULL
WHERE a.account_id = :account_id AND (CAST(:sources AS bigint[]) IS NULL OR s.id = ANY(CAST(:sources AS bigint[])))
ORDER BY a.id, s.id
LIMIT :limit
