SELECT id
FROM message_attempts
WHERE account_id = :account_id AND message_id = ANY(CAST(:owners AS bigint[]))
LIMIT CAST(:most AS bigint)
