SELECT id
FROM consent_changes
WHERE account_id = :account_id AND customer_id = ANY(CAST(:owners AS bigint[]))
LIMIT CAST(:most AS bigint)
