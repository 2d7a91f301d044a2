SELECT id
FROM audiences
WHERE account_id = :account_id AND id = :audience_id
FOR KEY SHARE
