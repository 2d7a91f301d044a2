UPDATE customers AS c
SET email_at = n.email_at, name_at = n.name_at
FROM unnest(CAST(:ids AS bigint[]), CAST(:emails_at AS timestamptz[]), CAST(:names_at AS timestamptz[])) AS n (id, email_at, name_at)
WHERE c.account_id = :account_id AND c.source_id = :source_id AND c.id = n.id
