UPDATE merged_customers AS w
SET heir_id = n.heir
FROM unnest(CAST(:ids AS bigint[]), CAST(:heirs AS bigint[])) AS n (id, heir)
WHERE w.account_id = :account_id AND w.heir_id = n.id
