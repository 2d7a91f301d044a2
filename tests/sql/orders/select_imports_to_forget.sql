SELECT account_id, id AS import_id, refused_kept
FROM imports
WHERE refused_kept > 0 AND started_at < :expired
ORDER BY started_at
LIMIT 1000
