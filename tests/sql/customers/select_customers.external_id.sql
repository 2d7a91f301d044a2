SELECT c.id,
       c.source_id,
       c.external_id,
       c.name,
       c.email,
       c.marketing,
       c.language,
       c.created_at,
       '' AS matched
FROM customers AS c
WHERE c.account_id = :account_id AND c.source_id = :source_id AND c.external_id = :external_id AND c.id > :after_id
ORDER BY c.id
LIMIT CAST(:limit AS bigint)
