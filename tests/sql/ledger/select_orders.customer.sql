SELECT o.*, c.external_id, c.name AS customer_name, c.email AS customer_email
FROM (SELECT o.order_id,
             o.ordered_at,
             o.total,
             o.refunded,
             o.foreign_currency,
             o.items,
             CAST(o.status AS text) AS status,
             o.spend,
             o.updated_at,
             o.test,
             o.discount_codes,
             o.guest_email,
             o.deleted_at,
             o.erased_at,
             o.customer_id
      FROM orders AS o
      WHERE o.account_id = :account_id
        AND o.source_id = :source_id
        AND o.deleted_at IS NULL
        AND o.customer_id = :customer
        AND o.status = ANY(CAST(CAST(:statuses AS text[]) AS order_status[]))
        AND o.ordered_at >= :since
        AND (o.ordered_at, o.order_id) < (:before, CAST(:before_id AS text))
      ORDER BY o.ordered_at DESC, o.order_id DESC
      LIMIT CAST(:limit AS bigint)) AS o
     LEFT JOIN customers AS c ON c.account_id = :account_id AND c.id = o.customer_id
ORDER BY o.ordered_at DESC, o.order_id DESC
