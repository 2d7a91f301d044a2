SELECT account_id
FROM sender_domains
WHERE domain = :domain AND verified_at IS NOT NULL
