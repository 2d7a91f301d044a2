SELECT domain, token, created_at, verified_at
FROM sender_domains
WHERE account_id = :account_id AND domain > :after
ORDER BY domain
LIMIT :limit
