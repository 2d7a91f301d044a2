"""Repeats: statements about requests that carry an Idempotency-Key."""

from sqlalchemy import text

WAITING_BRIEFLY = text("SET LOCAL lock_timeout = '5s'")
"""For the rest of the transaction: whoever repeats a request that is still running is told so."""

BEGUN = text("""
    INSERT INTO idempotency_keys AS k (account_id, operation, key, fingerprint, created_at)
    VALUES (:account_id, :operation, :key, :fingerprint, :now)
    ON CONFLICT (account_id, operation, key) DO UPDATE
        SET fingerprint = excluded.fingerprint, created_at = excluded.created_at
        WHERE k.created_at < :expired
    RETURNING account_id
""")
"""The key taken by this request; no row where another one has it. Waits for one that has not committed yet."""

FIRST = text("""
    SELECT fingerprint, status, location, answer
    FROM idempotency_keys
    WHERE account_id = :account_id AND operation = :operation AND key = :key
""")
"""What was asked and answered with a key."""

ANSWERED = text("""
    UPDATE idempotency_keys SET status = :status, location = :location, answer = :answer
    WHERE account_id = :account_id AND operation = :operation AND key = :key
""")
"""The answer, for later requests with the same key."""

ACCOUNTS_WITH_EXPIRED = text("SELECT DISTINCT account_id FROM idempotency_keys WHERE created_at < :expired")
"""The accounts of all machines that have keys to be forgotten."""

FORGOTTEN = text("DELETE FROM idempotency_keys WHERE account_id = :account_id AND created_at < :expired")
"""An account's old keys gone."""
