INSERT INTO orders AS o (account_id,
                         source_id,
                         order_id,
                         ordered_at,
                         total,
                         refunded,
                         status,
                         updated_at,
                         content_hash,
                         test,
                         deleted_at)
VALUES (:account_id, :source_id, :order_id, :now, 0, 0, 'voided', :now, 0, FALSE, :now)
ON CONFLICT (account_id, source_id, order_id)
   DO UPDATE
     SET deleted_at = excluded.deleted_at
