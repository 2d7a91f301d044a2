SELECT id, CAST(kind AS text) AS kind, start, counted_from, counted_until
FROM boards
WHERE account_id = :account_id AND source_id = :source_id
ORDER BY id
