SELECT id,
       customer_id,
       kind,
       language,
       subject,
       text,
       html,
       message_id,
       status,
       attempts,
       crashes,
       created_at,
       first_tried_at
FROM messages
WHERE
-- not what this worker itself is sending: while the database is away, its leases end too
account_id = :account_id AND due_at <= :now AND id <> ALL(CAST(:in_flight AS bigint[]))
ORDER BY due_at
LIMIT CAST(:most AS bigint)
FOR NO KEY UPDATE SKIP LOCKED
