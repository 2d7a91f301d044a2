DELETE FROM senders
WHERE account_id = :account_id
