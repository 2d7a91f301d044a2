-- the board of the frame; no row when it cannot answer
WITH board AS MATERIALIZED (
         SELECT b.id,
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
                             AND o.ordered_at < :until)
       ),

     -- the customer and how many rows lie before theirs
     holder AS MATERIALIZED (
         SELECT b.id AS board_id,
                b.version,
                s.average AS value,
                s.customer_id,
                (SELECT higher.customers + (SELECT count(*)
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
                         AND k.least_value > s.average) AS higher) + (SELECT count(*)
                                                                      FROM standings AS n
                                                                      WHERE n.account_id = :account_id
                                                                        AND n.board_id = b.id
                                                                        AND n.average = s.average
                                                                        AND n.customer_id < s.customer_id) AS before
         FROM board AS b
              LEFT JOIN standings AS s ON s.account_id = :account_id
                                      AND s.board_id = b.id
                                      AND s.customer_id = CAST(:around AS bigint)
       )
  SELECT h.customer_id AS around,
         l.value,
         l.customer_id AS customer,
         CAST(h.before - h.before % CAST(:limit AS bigint) AS bigint) AS position,
         CAST((SELECT higher.customers + (SELECT count(*)
                                          FROM standings AS n
                                          WHERE n.account_id = :account_id
                                            AND n.board_id = h.board_id
                                            AND n.average > l.value
                                            AND n.average <= higher.bucket_end)
               FROM (SELECT CAST(COALESCE(sum(k.customers), 0) AS bigint) AS customers,
                            COALESCE(min(k.least_value) - 1, 9223372036854775807) AS bucket_end
                     FROM standing_buckets AS k
                     WHERE k.account_id = :account_id
                       AND k.board_id = h.board_id
                       AND k.metric = 'average_order_amount'
                       AND k.least_value > l.value) AS higher) + 1 AS bigint) AS rank,
         h.board_id AS board,
         h.version
  FROM holder AS h
       LEFT JOIN LATERAL (SELECT n.average AS value, n.customer_id
                          FROM standings AS n
                          WHERE n.account_id = :account_id
                            AND n.board_id = h.board_id
                            AND n.average >= h.value
                            AND (n.average > h.value OR n.customer_id < h.customer_id)
                          ORDER BY n.average, n.customer_id DESC
                          LIMIT 1
                          OFFSET CAST(h.before % CAST(:limit AS bigint) AS bigint)) AS l ON TRUE
