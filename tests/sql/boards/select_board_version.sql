SELECT b.version,
       b.contacts_version,
       b.next_purchase_at,
       b.id AS board_id,
       CAST(NULL AS bigint) AS previous_board_id,
       CAST(NULL AS bigint) AS previous_version
FROM (SELECT b.id,
             b.version,
             s.contacts_version,
             CAST(NULL AS timestamptz) AS next_purchase_at,
             s.version AS source_version,
             b.customers,
             b.purchases,
             b.spend
      FROM boards AS b
           INNER JOIN sources AS s ON s.account_id = b.account_id AND s.id = b.source_id
      WHERE b.account_id = :account_id
        AND b.source_id = :source_id
        AND b.kind = CAST(CAST(:kind AS text) AS board_kind)
        AND b.start = :board_start
        AND b.counted_from = :start
        AND b.counted_until = :until
        AND NOT EXISTS (SELECT
                        FROM outdated_standings AS o
                        WHERE o.account_id = :account_id AND o.source_id = :source_id)
        AND NOT EXISTS (SELECT o.customer_id
                        FROM orders AS o
                        WHERE o.account_id = :account_id
                          AND o.source_id = :source_id
                          AND o.spend IS NOT NULL
                          AND o.ordered_at >= :before
                          AND o.ordered_at < :until)) AS b
