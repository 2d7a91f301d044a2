UPDATE suppressions AS w
SET email = NULL
FROM unnest(CAST(:address_hashes AS bytea[]), CAST(:addresses AS text[])) AS n (address_hash, email)
WHERE w.account_id = :account_id
  AND w.address_hash = n.address_hash
  AND NOT EXISTS (SELECT
                  FROM sources AS s
                       INNER JOIN customers AS c ON c.account_id = s.account_id
                                                AND c.source_id = s.id
                  WHERE s.account_id = :account_id AND c.email = n.email)
