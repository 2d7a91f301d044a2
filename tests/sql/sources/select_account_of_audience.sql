SELECT account_id
FROM audiences
WHERE id = :audience_id
