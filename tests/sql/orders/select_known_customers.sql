SELECT c.id,
       c.external_id,
       c.email,
       c.name,
       c.first_name,
       c.last_name,
       c.language,
       c.marketing,
       c.email_at,
       c.name_at,
       c.language_at,
       c.marketing_weight,
       c.marketing_at
FROM unnest(CAST(:external_ids AS text[])) AS n (external_id)
     INNER JOIN customers AS c ON c.account_id = :account_id
                              AND c.source_id = :source_id
                              AND c.external_id = n.external_id

UNION ALL

SELECT c.id,
       c.external_id,
       c.email,
       c.name,
       c.first_name,
       c.last_name,
       c.language,
       c.marketing,
       c.email_at,
       c.name_at,
       c.language_at,
       c.marketing_weight,
       c.marketing_at
FROM unnest(CAST(:ids AS bigint[])) AS n (id)
     INNER JOIN customers AS c ON c.account_id = :account_id AND c.source_id = :source_id AND c.id = n.id
