INSERT INTO addresses AS a (account_id, source_id, email, customer_id)
SELECT CAST(:account_id AS bigint), CAST(:source_id AS bigint), n.email, n.customer_id
FROM unnest(CAST(:addresses AS text[]), CAST(:customers AS bigint[])) AS n (email, customer_id)
ON CONFLICT (account_id, source_id, email)
   DO UPDATE
     SET customer_id = excluded.customer_id
