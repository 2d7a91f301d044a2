SELECT k.account_id,
       k.id AS key_id,
       k.scopes,
       a.plan,
       a.cursor_secret,
       a.closed_at IS NOT NULL AS is_closed
FROM api_keys AS k INNER JOIN accounts AS a ON a.id = k.account_id
WHERE k.account_id = :account_id AND k.id = :key_id AND k.revoked_at IS NULL AND a.deleted_at IS NULL
