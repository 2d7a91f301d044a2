UPDATE customers AS c
SET email_at = n.email_at,
    name_at = n.name_at,
    language_at = n.language_at,
    marketing_weight = n.marketing_weight,
    marketing_at = n.marketing_at
FROM unnest(CAST(:id AS bigint[]),
            CAST(:email_at AS timestamp with time zone[]),
            CAST(:name_at AS timestamp with time zone[]),
            CAST(:language_at AS timestamp with time zone[]),
            CAST(:marketing_weight AS text[]),
            CAST(:marketing_at AS timestamp with time zone[])) AS n (id, email_at, name_at, language_at, marketing_weight, marketing_at)
WHERE c.account_id = :account_id AND c.source_id = :source_id AND c.id = n.id
