INSERT INTO sender_domains (account_id, domain, token, created_at)
VALUES (:account_id, :domain, :token, :now)
ON CONFLICT (account_id, domain) DO NOTHING
