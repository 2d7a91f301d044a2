SELECT DISTINCT account_id
FROM token_windows
WHERE began_at < :expired
