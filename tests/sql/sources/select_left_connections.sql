SELECT k.source_id, s.platform, k.secrets
FROM store_connections AS k
     INNER JOIN sources AS s ON s.account_id = k.account_id AND s.id = k.source_id
WHERE k.account_id = :account_id
  AND s.deleted_at IS NOT NULL
  AND k.state <> 'disconnected'
  AND k.source_id = COALESCE(CAST(:source_id AS bigint), k.source_id)
