SELECT import_id, number
FROM refused_rows
WHERE account_id = :account_id AND import_id = ANY(CAST(:owners AS bigint[]))
LIMIT CAST(:most AS bigint)
