SELECT domain
FROM sender_domains
WHERE account_id = :account_id
LIMIT CAST(:most AS bigint)
