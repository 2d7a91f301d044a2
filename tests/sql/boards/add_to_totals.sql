UPDATE boards AS b
SET customers = b.customers + n.customers,
    purchases = b.purchases + n.purchases,
    spend = b.spend + n.spend,
    version = b.version + 1
FROM unnest(CAST(:boards AS bigint[]), CAST(:customers AS bigint[]), CAST(:purchases AS bigint[]), CAST(:spends AS numeric[])) AS n (board_id, customers, purchases, spend)
WHERE b.account_id = :account_id AND b.id = n.board_id
