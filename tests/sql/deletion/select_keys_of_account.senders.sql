SELECT account_id
FROM senders
WHERE account_id = :account_id
LIMIT CAST(:most AS bigint)
