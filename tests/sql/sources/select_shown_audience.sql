SELECT id, name, created_at
FROM audiences
WHERE account_id = :account_id AND id = :audience_id
