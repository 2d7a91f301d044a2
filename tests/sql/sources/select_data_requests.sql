SELECT r.account_id,
       r.id,
       r.source_id,
       s.name AS store,
       r.customers,
       r.asked_at,
       r.tell_at,
       r.tries
FROM data_requests AS r
     INNER JOIN sources AS s ON s.account_id = r.account_id AND s.id = r.source_id
WHERE r.tell_at <= :now AND s.deleted_at IS NULL
ORDER BY r.tell_at
LIMIT :limit
