UPDATE customers
SET marketing = :marketing
WHERE account_id = :account_id AND id = ANY(CAST(:customers AS bigint[]))
