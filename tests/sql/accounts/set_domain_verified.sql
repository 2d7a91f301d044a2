UPDATE sender_domains
SET verified_at = :now
WHERE account_id = :account_id AND domain = :domain AND verified_at IS NULL
