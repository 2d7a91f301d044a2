SELECT NULL AS external_id, email, customer_id
FROM addresses
WHERE account_id = :account_id AND source_id = :source_id AND email = ANY(CAST(:addresses AS text[]))

UNION ALL

SELECT external_id, NULL, heir_id
FROM merged_customers
WHERE account_id = :account_id AND source_id = :source_id AND external_id = ANY(CAST(:external_ids AS text[]))
