UPDATE inbox
SET content = NULL
WHERE account_id = :account_id AND source_id = :source_id AND mentions && CAST(:mentions AS bigint[])
