SELECT count(*) AS sources
FROM sources
WHERE account_id = :account_id AND audience_id = :audience_id
