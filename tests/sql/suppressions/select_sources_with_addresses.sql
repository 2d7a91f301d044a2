SELECT s.id AS source_id
FROM sources AS s
WHERE s.account_id = :account_id
  AND s.deleted_at IS NULL
  AND EXISTS (SELECT
              FROM customers AS c
              WHERE c.account_id = :account_id AND c.source_id = s.id AND c.email = ANY(CAST(:emails AS text[])))
ORDER BY s.id
