DELETE FROM sources
WHERE account_id = :account_id AND id = :source_id AND deleted_at IS NOT NULL
