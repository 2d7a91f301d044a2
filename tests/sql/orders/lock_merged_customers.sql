SELECT id
FROM customers
WHERE account_id = :account_id AND source_id = :source_id AND id = ANY(CAST(:ids AS bigint[]))
ORDER BY id
FOR UPDATE
