SELECT k.account_id, s.platform, k.secrets, a.cursor_secret AS mention_secret
FROM store_connections AS k
     INNER JOIN sources AS s ON s.account_id = k.account_id AND s.id = k.source_id
     INNER JOIN accounts AS a ON a.id = k.account_id
WHERE k.source_id = :source_id AND a.closed_at IS NULL AND s.deleted_at IS NULL
