SELECT s.platform
FROM sources AS s INNER JOIN accounts AS a ON a.id = s.account_id
WHERE s.account_id = :account_id AND s.id = :source_id AND s.deleted_at IS NULL AND a.closed_at IS NULL
