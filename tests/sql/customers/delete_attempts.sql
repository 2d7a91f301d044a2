DELETE FROM message_attempts
WHERE account_id = :account_id AND message_id = ANY(CAST(:messages AS bigint[]))
