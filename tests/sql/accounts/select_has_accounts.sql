SELECT count(*) AS accounts
FROM (SELECT 1 FROM accounts LIMIT 1) AS a
