SELECT c.id, c.source_id, c.external_id, c.name, c.email, c.marketing, c.language, c.created_at
FROM customers AS c
WHERE c.account_id = :account_id AND c.id = :customer_id
