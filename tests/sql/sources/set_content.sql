UPDATE inbox
SET content = :content
WHERE account_id = :account_id AND id = :id AND content IS NOT NULL
