SELECT s.id
FROM sources AS s
     INNER JOIN (SELECT count(*) FILTER (WHERE deleted_at IS NULL) AS orders,
                        count(*) FILTER (WHERE deleted_at IS NULL AND customer_id IS NULL) AS unattributed,
                        count(*) FILTER (WHERE deleted_at IS NULL AND foreign_currency IS NOT NULL) AS foreign_currency,
                        COALESCE(sum(total) FILTER (WHERE deleted_at IS NULL), 0) AS amounts
                 FROM orders
                 WHERE account_id = :account_id AND source_id = :source_id) AS n ON TRUE
WHERE s.account_id = :account_id
  AND s.id = :source_id
  AND (s.orders, s.unattributed, s.foreign_currency, s.amounts) <> (n.orders, n.unattributed, n.foreign_currency, n.amounts)
