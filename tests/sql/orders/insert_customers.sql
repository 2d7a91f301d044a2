INSERT INTO customers (account_id,
                       source_id,
                       external_id,
                       email,
                       name,
                       email_at,
                       name_at,
                       created_at)
SELECT CAST(:account_id AS bigint),
       CAST(:source_id AS bigint),
       n.external_id,
       n.email,
       n.name,
       n.email_at,
       n.name_at,
       CAST(:now AS timestamptz)
FROM unnest(CAST(:external_ids AS text[]),
            CAST(:emails AS text[]),
            CAST(:names AS text[]),
            CAST(:emails_at AS timestamptz[]),
            CAST(:names_at AS timestamptz[])) AS n (external_id, email, name, email_at, name_at)
RETURNING id, external_id, email
