SELECT import_id, number
FROM refused_rows
WHERE account_id = :account_id
LIMIT CAST(:most AS bigint)
