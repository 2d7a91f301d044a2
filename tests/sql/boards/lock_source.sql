SELECT account_id, id, audience_id, currency, time_zone, week_start
FROM sources
WHERE account_id = :account_id AND id = :source_id AND deleted_at IS NULL
FOR NO KEY UPDATE
