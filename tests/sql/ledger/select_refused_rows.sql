SELECT number, line, last_line, order_id, code, detail
FROM refused_rows
WHERE account_id = :account_id AND import_id = :import_id AND number > :after
ORDER BY number
LIMIT CAST(:limit AS bigint)
