SELECT id, audience_id, name, platform, currency, time_zone, week_start, url, created_at
FROM sources
WHERE account_id = :account_id AND id > :after
ORDER BY id
LIMIT :limit
