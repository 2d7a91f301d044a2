UPDATE customers AS c
SET language = g.language
FROM (SELECT g.account_id, n.heir, min(g.language) AS language
      FROM unnest(CAST(:ids AS bigint[]), CAST(:heirs AS bigint[])) AS n (id, heir)
           INNER JOIN customers AS g ON g.account_id = :account_id AND g.id = n.id
      GROUP BY g.account_id, n.heir) AS g
WHERE c.account_id = :account_id AND g.account_id = c.account_id AND c.id = g.heir AND c.language IS NULL
