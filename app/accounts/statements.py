"""Statements: accounts, their senders, and the API keys that open them."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import text

# ---------------------------------------------------------------- accounts


class AccountRow(NamedTuple):
    """An account."""

    id: int
    name: str
    plan: str
    created_at: datetime
    closed_at: datetime | None


INSERT_ACCOUNT = text("""
    INSERT INTO accounts (name, plan, cursor_secret, created_at)
    VALUES (:name, :plan, :cursor_secret, :now)
    RETURNING id
""")

INSERT_NAMED_ACCOUNT = text("""
    INSERT INTO accounts (id, name, plan, cursor_secret, created_at)
    VALUES (:account_id, :name, :plan, :cursor_secret, :now)
    ON CONFLICT (id) DO NOTHING
""")
"""For a request that may be repeated: its Idempotency-Key names the account."""

SELECT_ACCOUNT = text("""
    SELECT id, name, plan, created_at, closed_at FROM accounts WHERE id = :account_id AND deleted_at IS NULL
""")

SELECT_ACCOUNTS = text("""
    SELECT id, name, plan, created_at, closed_at FROM accounts
    WHERE id > :after AND deleted_at IS NULL
    ORDER BY id LIMIT :limit
""")

UPDATE_ACCOUNT = text("""
    UPDATE accounts SET plan = :plan, closed_at = :closed_at
    WHERE id = :account_id
    RETURNING id, name, plan, created_at, closed_at
""")

MARK_ACCOUNT_DELETED = text("""
    UPDATE accounts SET deleted_at = :now, closed_at = coalesce(closed_at, cast(:now AS timestamptz))
    WHERE id = :account_id
""")
"""From now on the account is unknown, and what it has queued is cancelled like that of a closed one."""

MARK_SOURCES_DELETED = text("""
    UPDATE sources SET deleted_at = :now WHERE account_id = :account_id AND deleted_at IS NULL
""")

LOCK_ACCOUNT = text("""
    SELECT id, name, plan, created_at, closed_at FROM accounts
    WHERE id = :account_id AND deleted_at IS NULL
    FOR NO KEY UPDATE
""")
"""Makes requests that decide about all keys of an account run one after the other."""

SELECT_ACCOUNT_SECRET = text("SELECT cursor_secret FROM accounts WHERE id = :account_id")
"""What the account's cursors, links and hashes of addresses are made with."""

SELECT_HAS_ACCOUNTS = text("SELECT count(*) AS accounts FROM (SELECT 1 FROM accounts LIMIT 1) AS a")
"""1 when there is any account, else 0."""

# ---------------------------------------------------------------- senders


class AccountWithSender(NamedTuple):
    """An account and its sender; the sender's fields are None when none is set."""

    id: int
    name: str
    plan: str
    created_at: datetime
    sender_name: str | None
    sender_email: str | None
    sender_reply_to: str | None
    sender_postal_address: str | None
    paused_until: datetime | None
    paused_because: str | None


SELECT_ACCOUNT_WITH_SENDER = text("""
    SELECT a.id, a.name, a.plan, a.created_at, s.name AS sender_name, s.email AS sender_email,
           s.reply_to AS sender_reply_to, s.postal_address AS sender_postal_address, s.paused_until, s.paused_because
    FROM accounts AS a LEFT JOIN senders AS s ON s.account_id = a.id
    WHERE a.id = :account_id
""")

UPSERT_SENDER = text("""
    INSERT INTO senders (account_id, name, email, reply_to, postal_address, rate_used_until)
    VALUES (:account_id, :name, :email, :reply_to, :postal_address, :now)
    ON CONFLICT (account_id) DO UPDATE SET
        name = excluded.name, email = excluded.email, reply_to = excluded.reply_to,
        postal_address = excluded.postal_address, paused_until = NULL, paused_because = NULL
""")
"""Setting a sender ends a pause."""

UPSERT_PACE = text("""
    INSERT INTO senders (account_id, rate_used_until) VALUES (:account_id, :now)
    ON CONFLICT (account_id) DO UPDATE SET paused_until = NULL, paused_because = NULL
""")
"""For an account whose store has got a sender: its messages are sent at the account's pace, and a pause ends."""

# ---------------------------------------------------------------- keys


class KeyRow(NamedTuple):
    """A key that is not revoked."""

    id: int
    name: str
    scopes: list[str]
    created_at: datetime


class KeyOwner(NamedTuple):
    """The account that a key opens, and what the key may do."""

    account_id: int
    key_id: int
    scopes: list[str]
    plan: str
    cursor_secret: bytes
    is_closed: bool


INSERT_KEY = text("""
    INSERT INTO api_keys (account_id, name, scopes, hash, created_at)
    VALUES (:account_id, :name, :scopes, :hash, :now)
    ON CONFLICT (account_id, hash) DO NOTHING
    RETURNING id
""")
"""Returns no row for a key that exists: it follows from an Idempotency-Key that was used long ago."""

SELECT_KEYS = text("""
    SELECT id, name, scopes, created_at FROM api_keys
    WHERE account_id = :account_id AND revoked_at IS NULL AND id > :after
    ORDER BY id LIMIT :limit
""")

SELECT_KEY_OWNER = text("""
    SELECT k.account_id, k.id AS key_id, k.scopes, a.plan, a.cursor_secret, a.closed_at IS NOT NULL AS is_closed
    FROM api_keys AS k JOIN accounts AS a ON a.id = k.account_id
    WHERE k.account_id = :account_id AND k.hash = :hash AND k.revoked_at IS NULL AND a.deleted_at IS NULL
""")

SELECT_TOKEN_OWNER = text("""
    SELECT k.account_id, k.id AS key_id, k.scopes, a.plan, a.cursor_secret, a.closed_at IS NOT NULL AS is_closed
    FROM api_keys AS k JOIN accounts AS a ON a.id = k.account_id
    WHERE k.account_id = :account_id AND k.id = :key_id AND k.revoked_at IS NULL AND a.deleted_at IS NULL
""")
"""The same of the key that a browser token was made with."""

REVOKE_KEY = text("""
    UPDATE api_keys SET revoked_at = :now
    WHERE account_id = :account_id AND id = :key_id AND revoked_at IS NULL
""")
