UPDATE sources
SET boards_due_at = :due_at
WHERE account_id = :account_id AND id = :source_id
