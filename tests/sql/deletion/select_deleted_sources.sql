SELECT s.account_id, s.id AS source_id
FROM sources AS s INNER JOIN accounts AS a ON a.id = s.account_id
WHERE s.deleted_at <= :until AND a.deleted_at IS NULL
ORDER BY s.deleted_at
