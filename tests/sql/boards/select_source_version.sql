SELECT version,
       CAST(NULL AS bigint) AS contacts_version,
       (SELECT min(o.ordered_at)
        FROM orders AS o
        WHERE o.account_id = :account_id AND o.source_id = :source_id AND o.spend IS NOT NULL AND o.ordered_at >= :before) AS next_purchase_at,
       CAST(NULL AS bigint) AS board_id,
       CAST(NULL AS bigint) AS previous_board_id,
       CAST(NULL AS bigint) AS previous_version
FROM sources
WHERE account_id = :account_id AND id = :source_id
