SELECT account_id, source_id
FROM store_connections
WHERE pg_catalog.substring(secrets, 1, 5) <> CAST(:prefix AS bytea)
  AND (account_id, source_id) > (CAST(:after_account AS bigint), CAST(:after AS bigint))
ORDER BY account_id, source_id
LIMIT CAST(:limit AS bigint)
