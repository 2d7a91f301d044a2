INSERT INTO merged_customers (account_id, id, source_id, external_id, heir_id, merged_at)
SELECT c.account_id, c.id, c.source_id, c.external_id, n.heir, CAST(:now AS timestamptz)
FROM unnest(CAST(:ids AS bigint[]), CAST(:heirs AS bigint[])) AS n (id, heir)
     INNER JOIN customers AS c ON c.account_id = :account_id AND c.id = n.id
