DELETE FROM token_windows
WHERE account_id = :account_id AND began_at < :expired
