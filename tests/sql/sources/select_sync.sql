SELECT k.state,
       k.reason,
       k.since,
       k.api_version,
       k.customer_data,
       k.history_from,
       k.pulled_until,
       k.pull_due_at,
       k.pulled_orders,
       k.expected_orders,
       k.reconciled_at,
       (SELECT count(*)
        FROM inbox AS i
        WHERE i.account_id = :account_id AND i.source_id = :source_id AND i.status = 'waiting') AS waiting,
       (SELECT i.received_at
        FROM inbox AS i
        WHERE i.account_id = :account_id AND i.source_id = :source_id AND i.status = 'waiting'
        ORDER BY i.id
        LIMIT 1) AS oldest_waiting_at,
       (SELECT i.received_at
        FROM inbox AS i
        WHERE i.account_id = :account_id AND i.source_id = :source_id
        ORDER BY i.id DESC
        LIMIT 1) AS last_delivery_at
FROM store_connections AS k
WHERE k.account_id = :account_id AND k.source_id = :source_id
