DELETE FROM sender_domains
WHERE account_id = :account_id AND domain = :domain
RETURNING domain
