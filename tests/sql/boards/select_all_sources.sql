SELECT account_id, id AS source_id
FROM sources
ORDER BY account_id, id
