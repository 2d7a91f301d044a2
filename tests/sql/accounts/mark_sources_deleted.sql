UPDATE sources
SET deleted_at = :now
WHERE account_id = :account_id AND deleted_at IS NULL
