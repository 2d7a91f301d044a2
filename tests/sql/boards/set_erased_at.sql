UPDATE sources
SET erased_at = :now
WHERE account_id = :account_id AND id = :source_id
