UPDATE messages AS m
SET customer_id = n.heir
FROM unnest(CAST(:ids AS bigint[]), CAST(:heirs AS bigint[])) AS n (id, heir)
WHERE m.account_id = :account_id AND m.customer_id = n.id
