SELECT board_id, customer_id
FROM standings
WHERE account_id = :account_id
LIMIT CAST(:most AS bigint)
