SELECT (SELECT count(*)
        FROM outdated_standings
        WHERE account_id = :account_id AND source_id = :source_id) AS outdated,
       (SELECT COALESCE(max(customers), 0)
        FROM boards
        WHERE account_id = :account_id AND source_id = :source_id AND kind = 'all_time') AS ranked
