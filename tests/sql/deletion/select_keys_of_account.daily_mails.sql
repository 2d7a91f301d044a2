SELECT kind
FROM daily_mails
WHERE account_id = :account_id
LIMIT CAST(:most AS bigint)
