SELECT count(*) AS number
FROM sender_domains
WHERE account_id = :account_id
