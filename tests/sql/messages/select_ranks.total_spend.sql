SELECT s.customer_id,
       (SELECT higher.customers + (SELECT count(*)
                                   FROM standings AS n
                                   WHERE n.account_id = :account_id
                                     AND n.board_id = s.board_id
                                     AND n.spend > s.spend
                                     AND n.spend <= higher.bucket_end)
        FROM (SELECT CAST(COALESCE(sum(k.customers), 0) AS bigint) AS customers,
                     COALESCE(min(k.least_value) - 1, 9223372036854775807) AS bucket_end
              FROM standing_buckets AS k
              WHERE k.account_id = :account_id
                AND k.board_id = s.board_id
                AND k.metric = 'total_spend'
                AND k.least_value > s.spend) AS higher) + 1 AS rank,
       s.purchases,
       s.spend
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
     INNER JOIN standings AS s ON s.account_id = :account_id AND s.board_id = b.id
WHERE s.customer_id = ANY(CAST(:customers AS bigint[]))
