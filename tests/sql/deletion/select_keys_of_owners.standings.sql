SELECT board_id, customer_id
FROM standings
WHERE account_id = :account_id AND board_id = ANY(CAST(:owners AS bigint[]))
LIMIT CAST(:most AS bigint)
