DELETE FROM deletions
WHERE account_id = :account_id AND noun = 'source'
