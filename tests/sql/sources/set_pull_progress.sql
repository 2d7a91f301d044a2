UPDATE store_connections
SET pull_cursor = :cursor,
    pull_lease_until = :next_lease,
    pulled_orders = pulled_orders + :orders,
    expected_orders = COALESCE(CAST(:expected AS bigint), expected_orders)
WHERE account_id = :account_id AND source_id = :source_id AND pull_lease_until = :lease
