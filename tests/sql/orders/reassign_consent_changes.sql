UPDATE consent_changes AS h
SET customer_id = n.heir
FROM unnest(CAST(:ids AS bigint[]), CAST(:heirs AS bigint[])) AS n (id, heir)
WHERE h.account_id = :account_id AND h.customer_id = n.id
