INSERT INTO consent_changes (account_id, customer_id, marketing, changed_by, changed_at)
SELECT CAST(:account_id AS bigint), n.customer_id, n.marketing, CAST(:changed_by AS text), n.changed_at
FROM unnest(CAST(:customers AS bigint[]), CAST(:marketings AS text[]), CAST(:changeds_at AS timestamptz[])) AS n (customer_id, marketing, changed_at)
