SELECT email, customer_id
FROM addresses
WHERE account_id = :account_id AND source_id = :source_id AND email = ANY(CAST(:addresses AS text[]))
