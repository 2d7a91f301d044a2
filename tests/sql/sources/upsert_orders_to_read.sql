INSERT INTO orders_to_read (account_id, source_id, order_id, asked_at)
SELECT CAST(:account_id AS bigint), CAST(:source_id AS bigint), n.order_id, CAST(:now AS timestamptz)
FROM unnest(CAST(:order_ids AS text[])) AS n (order_id)
ON CONFLICT (account_id, source_id, order_id)
   DO UPDATE
     SET asked_at = excluded.asked_at
