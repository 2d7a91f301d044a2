SELECT m.id, m.heir_id, m.source_id
FROM merged_customers AS m
     INNER JOIN sources AS s ON s.account_id = m.account_id AND s.id = m.source_id
WHERE m.account_id = :account_id AND m.id = ANY(CAST(:customers AS bigint[])) AND s.deleted_at IS NULL
