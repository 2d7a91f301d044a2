DELETE FROM inbox
WHERE account_id = :account_id AND received_at < :expired AND status <> 'waiting'
