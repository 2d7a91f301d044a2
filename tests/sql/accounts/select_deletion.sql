SELECT number, by, asked_at, gone_at
FROM deletions
WHERE account_id = :account_id AND noun = :noun AND number = :number
