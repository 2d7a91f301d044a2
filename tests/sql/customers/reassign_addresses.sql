INSERT INTO addresses (account_id, source_id, email, customer_id)
SELECT DISTINCT ON (c.email) c.account_id, c.source_id, c.email, c.id
FROM customers AS c
WHERE c.account_id = :account_id
  AND c.source_id = :source_id
  AND c.email = ANY(CAST(:addresses AS text[]))
  AND c.external_id IS NOT NULL
ORDER BY c.email, c.external_id COLLATE "C"
