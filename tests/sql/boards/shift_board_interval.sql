UPDATE boards
SET counted_from = :counted_from, counted_until = :counted_until, version = version + 1
WHERE account_id = :account_id AND id = :board_id
