UPDATE accounts
SET deleted_at = :now, closed_at = COALESCE(closed_at, CAST(:now AS timestamptz))
WHERE id = :account_id
