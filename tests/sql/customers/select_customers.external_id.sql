SELECT c.id,
       c.source_id,
       c.external_id,
       c.name,
       c.first_name,
       c.last_name,
       c.email,
       c.marketing,
       (SELECT w.reason
        FROM suppressions AS w
        WHERE w.account_id = :account_id
          AND w.address_hash = sha256((SELECT a.cursor_secret
                                       FROM accounts AS a
                                       WHERE a.id = :account_id) || convert_to('address:' || c.email, 'UTF8'))) AS suppressed,
       c.language,
       c.created_at,
       '' AS matched
FROM customers AS c
WHERE c.account_id = :account_id AND c.source_id = :source_id AND c.external_id = :external_id AND c.id > :after_id
ORDER BY c.id
LIMIT CAST(:limit AS bigint)
