INSERT INTO idempotency_keys AS k (account_id, operation, key, fingerprint, created_at)
VALUES (:account_id, :operation, :key, :fingerprint, :now)
ON CONFLICT (account_id, operation, key)
   DO UPDATE
     SET fingerprint = excluded.fingerprint, created_at = excluded.created_at
     WHERE k.created_at < :expired
RETURNING account_id
