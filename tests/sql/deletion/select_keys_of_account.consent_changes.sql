SELECT id
FROM consent_changes
WHERE account_id = :account_id
LIMIT CAST(:most AS bigint)
