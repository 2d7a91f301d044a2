DELETE FROM sender_domains AS t
USING unnest(CAST(:domain AS text[])) AS n (domain)
WHERE t.account_id = :account_id AND t.domain = n.domain
