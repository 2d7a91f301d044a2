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


INSERT_ACCOUNT = text("""
    INSERT INTO accounts (name, plan, cursor_secret, created_at)
    VALUES (:name, :plan, :cursor_secret, :now)
    RETURNING id
""")

SET_PLAN = text("UPDATE accounts SET plan = :plan WHERE id = :account_id RETURNING id, name, plan, created_at")

LOCK_ACCOUNT = text("SELECT id FROM accounts WHERE id = :account_id FOR UPDATE")
"""Makes requests that decide about all keys of an account run one after the other."""

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


INSERT_KEY = text("""
    INSERT INTO api_keys (account_id, name, scopes, hash, created_at)
    VALUES (:account_id, :name, :scopes, :hash, :now)
    RETURNING id
""")

SELECT_KEYS = text("""
    SELECT id, name, scopes, created_at FROM api_keys
    WHERE account_id = :account_id AND revoked_at IS NULL AND id > :after
    ORDER BY id LIMIT :limit
""")

SELECT_KEY_OWNER = text("""
    SELECT k.account_id, k.id AS key_id, k.scopes, a.plan, a.cursor_secret
    FROM api_keys AS k JOIN accounts AS a ON a.id = k.account_id
    WHERE k.account_id = :account_id AND k.hash = :hash AND k.revoked_at IS NULL
""")

REVOKE_KEY = text("""
    UPDATE api_keys SET revoked_at = :now
    WHERE account_id = :account_id AND id = :key_id AND revoked_at IS NULL
""")
