SELECT DISTINCT i.account_id, i.source_id
FROM inbox AS i INNER JOIN sources AS s ON s.account_id = i.account_id AND s.id = i.source_id
WHERE i.status = 'waiting' AND s.deleted_at IS NULL
