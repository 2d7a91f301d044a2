SELECT account_id, id, source_id, content
FROM inbox
WHERE pg_catalog.substring(content, 1, 5) <> CAST(:prefix AS bytea)
  AND (account_id, id) > (CAST(:after_account AS bigint), CAST(:after AS bigint))
ORDER BY account_id, id
LIMIT CAST(:limit AS bigint)
