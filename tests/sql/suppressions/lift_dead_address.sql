UPDATE suppressions
SET dead_at = NULL, dead_by = NULL
WHERE account_id = :account_id AND address_hash = :address_hash AND dead_at IS NOT NULL
