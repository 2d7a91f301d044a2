SELECT domain
FROM sender_domains
WHERE account_id = :account_id AND domain = ANY(CAST(:domains AS text[])) AND verified_at IS NOT NULL
