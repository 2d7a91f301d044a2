SELECT c.source_id, c.id
FROM sources AS s INNER JOIN customers AS c ON c.account_id = s.account_id AND c.source_id = s.id
WHERE s.account_id = :account_id AND c.email = :email
ORDER BY 1, 2
