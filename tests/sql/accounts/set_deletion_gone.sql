UPDATE deletions
SET gone_at = :now
WHERE account_id = :account_id AND noun = :noun AND number = :number
