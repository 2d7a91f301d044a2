SELECT id
FROM audit_entries
WHERE account_id = :account_id
LIMIT CAST(:most AS bigint)
