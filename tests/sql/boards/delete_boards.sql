DELETE FROM boards
WHERE account_id = :account_id AND id = ANY(CAST(:boards AS bigint[]))
