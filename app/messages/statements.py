"""Statements: messages and their recipients are read, and changed by request or by feedback."""

from datetime import datetime
from functools import cache
from typing import NamedTuple

from sqlalchemy import TextClause, text

# ---------------------------------------------------------------- senders and recipients


class SenderRow(NamedTuple):
    """The plan of an account, and its sender; name and address are None when none is set."""

    plan: str
    name: str | None
    email: str | None
    postal_address: str | None


SELECT_SENDER = text("""
    SELECT a.plan, s.name, s.email, s.postal_address
    FROM accounts AS a LEFT JOIN senders AS s ON s.account_id = a.id
    WHERE a.id = :account_id
""")


class LinkSecret(NamedTuple):
    """The secret that seals an account's links, and the name that the unsubscribe page shows."""

    cursor_secret: bytes
    name: str


SELECT_LINK_SECRET = text("""
    SELECT a.cursor_secret, coalesce(s.name, a.name) AS name
    FROM accounts AS a LEFT JOIN senders AS s ON s.account_id = a.id
    WHERE a.id = :account_id
""")


class RecipientRow(NamedTuple):
    """A recipient, and the name of the store."""

    id: int
    source_id: int
    email: str | None
    name: str | None
    marketing: str
    language: str | None
    store: str
    store_url: str | None


@cache
def select_recipients(*, locked: bool) -> TextClause:
    """The recipients of messages; `locked`, none of them is erased or merged before the transaction ends."""
    return text(f"""
        SELECT c.id, c.source_id, c.email, c.name, c.marketing, c.language, s.name AS store, s.url AS store_url
        FROM customers AS c JOIN sources AS s ON s.account_id = c.account_id AND s.id = c.source_id
        WHERE c.account_id = :account_id AND c.id = ANY(cast(:customers AS bigint[]))
        {"ORDER BY c.id FOR KEY SHARE OF c" if locked else ""}
    """)


# ---------------------------------------------------------------- messages


class MessageRow(NamedTuple):
    """A message without its text."""

    id: int
    customer_id: int | None
    kind: str
    language: str
    template: str | None
    subject: str | None
    status: str
    reason: str | None
    attempts: int
    crashes: int
    maybe_duplicate: bool
    message_id: str
    created_at: datetime
    sent_at: datetime | None
    settled_at: datetime | None
    next_attempt_at: datetime | None


class MessageText(NamedTuple):
    """What a message says."""

    text: str | None
    html: str | None


class AttemptRow(NamedTuple):
    """An attempt to send a message."""

    started_at: datetime
    ended_at: datetime
    outcome: str
    code: str
    detail: str


MESSAGE_COLUMNS = """m.id, m.customer_id, m.kind, m.language, m.template, m.subject, m.status, m.reason, m.attempts,
           m.crashes, m.maybe_duplicate, m.message_id, m.created_at, m.sent_at, m.settled_at,
           CASE WHEN m.status = 'queued' THEN m.due_at END AS next_attempt_at"""

SELECT_MESSAGE = text(f"SELECT {MESSAGE_COLUMNS} FROM messages AS m WHERE m.account_id = :account_id AND m.id = :id")

SELECT_MESSAGE_TEXT = text("SELECT text, html FROM messages WHERE account_id = :account_id AND id = :id")

SELECT_ATTEMPTS = text("""
    SELECT started_at, ended_at, outcome, code, detail
    FROM message_attempts
    WHERE account_id = :account_id AND message_id = :id
    ORDER BY id
""")


@cache
def select_messages(*, of_customer: bool, of_status: bool, since: bool, continued: bool) -> TextClause:
    """A page of messages, newest first."""
    return text(f"""
        SELECT {MESSAGE_COLUMNS} FROM messages AS m
        WHERE m.account_id = :account_id
            {"AND m.customer_id = :customer" if of_customer else ""}
            {"AND m.status = :status" if of_status else ""}
            {"AND m.created_at >= :since" if since else ""}
            {"AND (m.created_at, m.id) < (:after_created_at, :after_id)" if continued else ""}
        ORDER BY m.created_at DESC, m.id DESC
        LIMIT cast(:limit AS bigint)
    """)


CANCEL_MESSAGE = text("""
    UPDATE messages
    SET status = 'cancelled', reason = 'by_request', due_at = NULL, settled_at = :now
    WHERE account_id = :account_id AND id = :id AND status IN ('queued', 'held')
    RETURNING id
""")

APPLY_FEEDBACK = text("""
    UPDATE messages
    SET status = :status, due_at = NULL, lease = NULL,
        -- why it was held or given up no longer holds
        reason = coalesce(:reason, CASE WHEN status IN ('bounced', 'complained') THEN reason END),
        sent_at = coalesce(sent_at, :now), settled_at = :now
    WHERE account_id = :account_id AND id = :id AND status = ANY(cast(:earlier AS text[]))
""")
"""Only forward: the status must still be one of `earlier`."""
