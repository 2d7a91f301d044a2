INSERT INTO consent_changes (account_id, customer_id, marketing, changed_by, changed_at)
SELECT CAST(:account_id AS bigint),
       n.customer_id,
       CAST(:marketing AS text),
       CAST(:changed_by AS text),
       CAST(:now AS timestamptz)
FROM unnest(CAST(:customers AS bigint[])) AS n (customer_id)
