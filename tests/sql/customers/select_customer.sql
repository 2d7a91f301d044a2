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
       c.created_at
FROM customers AS c INNER JOIN sources AS s ON s.account_id = c.account_id AND s.id = c.source_id
WHERE c.account_id = :account_id AND c.id = :customer_id AND s.deleted_at IS NULL
