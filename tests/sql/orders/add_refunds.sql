UPDATE orders AS o
SET refunded = o.refunded + n.amount
FROM (SELECT r.order_id, CAST(sum(r.amount) AS bigint) AS amount
      FROM unnest(CAST(:order_ids AS text[]), CAST(:amounts AS bigint[])) AS r (order_id, amount)
      GROUP BY r.order_id) AS n
WHERE o.account_id = :account_id AND o.source_id = :source_id AND o.order_id = n.order_id
RETURNING o.customer_id
