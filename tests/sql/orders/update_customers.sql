UPDATE customers AS c
SET external_id = n.external_id,
    email = n.email,
    name = n.name,
    email_at = n.email_at,
    name_at = n.name_at
FROM unnest(CAST(:ids AS bigint[]),
            CAST(:external_ids AS text[]),
            CAST(:emails AS text[]),
            CAST(:names AS text[]),
            CAST(:emails_at AS timestamptz[]),
            CAST(:names_at AS timestamptz[])) AS n (id, external_id, email, name, email_at, name_at)
WHERE c.account_id = :account_id AND c.source_id = :source_id AND c.id = n.id
