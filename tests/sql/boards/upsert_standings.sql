INSERT INTO standings AS s (account_id, board_id, customer_id, purchases, spend, last_order_at)
SELECT CAST(:account_id AS bigint), n.board_id, n.customer_id, n.purchases, n.spend, n.last_order_at
FROM unnest(CAST(:boards AS bigint[]),
            CAST(:customers AS bigint[]),
            CAST(:purchases AS bigint[]),
            CAST(:spend AS bigint[]),
            CAST(:last_order_at AS timestamptz[])) AS n (board_id, customer_id, purchases, spend, last_order_at)
ON CONFLICT (account_id, board_id, customer_id)
   DO UPDATE
     SET purchases = excluded.purchases,
         spend = excluded.spend,
         last_order_at = excluded.last_order_at
