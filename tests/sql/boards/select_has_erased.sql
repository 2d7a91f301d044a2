SELECT erased_at IS NOT NULL AS has_erased
FROM sources
WHERE account_id = :account_id AND id = :source_id
