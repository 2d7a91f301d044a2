SELECT erased_at
FROM sources
WHERE account_id = :account_id AND id = :source_id
