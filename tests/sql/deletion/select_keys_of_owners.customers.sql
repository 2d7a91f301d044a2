SELECT id
FROM customers
WHERE account_id = :account_id AND source_id = ANY(CAST(:owners AS bigint[]))
LIMIT CAST(:most AS bigint)
