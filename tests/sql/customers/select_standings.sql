SELECT f.position,
       b.id IS NOT NULL AS has_answer,
       COALESCE(b.customers, 0) AS customers,
       ARRAY[s.purchases, s.spend, s.average] AS figures,
       ARRAY[CASE
               WHEN s.board_id IS NOT NULL AND f.position <= CAST(:ranked AS bigint)
                 THEN (SELECT higher.customers + (SELECT count(*)
                                                  FROM standings AS n
                                                  WHERE n.account_id = :account_id
                                                    AND n.board_id = b.id
                                                    AND n.purchases > s.purchases
                                                    AND n.purchases <= higher.bucket_end)
                       FROM (SELECT CAST(COALESCE(sum(k.customers), 0) AS bigint) AS customers,
                                    COALESCE(min(k.least_value) - 1, 9223372036854775807) AS bucket_end
                             FROM standing_buckets AS k
                             WHERE k.account_id = :account_id
                               AND k.board_id = b.id
                               AND k.metric = 'number_of_purchases'
                               AND k.least_value > s.purchases) AS higher) + 1
             END,
             CASE
               WHEN s.board_id IS NOT NULL AND f.position <= CAST(:ranked AS bigint)
                 THEN (SELECT higher.customers + (SELECT count(*)
                                                  FROM standings AS n
                                                  WHERE n.account_id = :account_id
                                                    AND n.board_id = b.id
                                                    AND n.spend > s.spend
                                                    AND n.spend <= higher.bucket_end)
                       FROM (SELECT CAST(COALESCE(sum(k.customers), 0) AS bigint) AS customers,
                                    COALESCE(min(k.least_value) - 1, 9223372036854775807) AS bucket_end
                             FROM standing_buckets AS k
                             WHERE k.account_id = :account_id
                               AND k.board_id = b.id
                               AND k.metric = 'total_spend'
                               AND k.least_value > s.spend) AS higher) + 1
             END,
             CASE
               WHEN s.board_id IS NOT NULL AND f.position <= CAST(:ranked AS bigint)
                 THEN (SELECT higher.customers + (SELECT count(*)
                                                  FROM standings AS n
                                                  WHERE n.account_id = :account_id
                                                    AND n.board_id = b.id
                                                    AND n.average > s.average
                                                    AND n.average <= higher.bucket_end)
                       FROM (SELECT CAST(COALESCE(sum(k.customers), 0) AS bigint) AS customers,
                                    COALESCE(min(k.least_value) - 1, 9223372036854775807) AS bucket_end
                             FROM standing_buckets AS k
                             WHERE k.account_id = :account_id
                               AND k.board_id = b.id
                               AND k.metric = 'average_order_amount'
                               AND k.least_value > s.average) AS higher) + 1
             END] AS ranks,
       ARRAY[CASE
               WHEN s.board_id IS NOT NULL AND f.position <= CAST(:ranked AS bigint)
                 THEN (SELECT min(n.purchases)
                       FROM standings AS n
                       WHERE n.account_id = :account_id AND n.board_id = b.id AND n.purchases > s.purchases)
             END,
             CASE
               WHEN s.board_id IS NOT NULL AND f.position <= CAST(:ranked AS bigint)
                 THEN (SELECT min(n.spend)
                       FROM standings AS n
                       WHERE n.account_id = :account_id AND n.board_id = b.id AND n.spend > s.spend)
             END,
             CASE
               WHEN s.board_id IS NOT NULL AND f.position <= CAST(:ranked AS bigint)
                 THEN (SELECT min(n.average)
                       FROM standings AS n
                       WHERE n.account_id = :account_id AND n.board_id = b.id AND n.average > s.average)
             END] AS better,
       m.min_spend,
       m.min_orders,
       s.spend > m.min_spend AS big_spender,
       s.purchases > m.min_orders AS frequent_buyer
FROM unnest(CAST(:kinds AS text[]),
            CAST(:board_starts AS timestamptz[]),
            CAST(:starts AS timestamptz[]),
            CAST(:befores AS timestamptz[]),
            CAST(:untils AS timestamptz[])) WITH ORDINALITY AS f (kind, board_start, start, before, until, position)
     LEFT JOIN boards AS b ON b.account_id = :account_id
                          AND b.source_id = :source_id
                          AND b.kind = CAST(f.kind AS board_kind)
                          AND b.start = f.board_start
                          AND b.counted_from = f.start
                          AND b.counted_until = f.until
                          AND NOT EXISTS (SELECT
                                          FROM outdated_standings AS o
                                          WHERE o.account_id = :account_id AND o.source_id = :source_id)
                          AND NOT EXISTS (SELECT o.customer_id
                                          FROM orders AS o
                                          WHERE o.account_id = :account_id
                                            AND o.source_id = :source_id
                                            AND o.spend IS NOT NULL
                                            AND o.ordered_at >= f.before
                                            AND o.ordered_at < f.until)
     LEFT JOIN standings AS s ON s.account_id = :account_id AND s.board_id = b.id AND s.customer_id = :customer_id
     LEFT JOIN LATERAL (SELECT CAST(LEAST(div(22 * b.spend + 10 * b.buyers, 20 * b.buyers),
                                          9223372036854775807) AS bigint) AS min_spend,
                               CAST(div(CAST(b.purchases AS numeric), b.buyers) AS bigint) + 1 AS min_orders
                        FROM (SELECT CAST(b.spend AS numeric) AS spend,
                                     b.purchases AS purchases,
                                     NULLIF(b.customers, 0) AS buyers) AS b) AS m ON b.customers > 0
ORDER BY f.position
