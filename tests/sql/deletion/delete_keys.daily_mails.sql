DELETE FROM daily_mails AS t
USING unnest(CAST(:kind AS text[])) AS n (kind)
WHERE t.account_id = :account_id AND t.kind = n.kind
