"""Statements: messages and their recipients are read, and changed by request or by feedback."""

from datetime import datetime
from functools import cache
from typing import NamedTuple

from sqlalchemy import TextClause, text

from app.boards.address_word import suppression_reason

# ---------------------------------------------------------------- senders and recipients


class SenderRow(NamedTuple):
    """The plan of an account, and its sender, which is None when none is set."""

    plan: str
    name: str | None
    email: str | None
    reply_to: str | None
    postal_address: str | None


SELECT_SENDER = text("""
    SELECT a.plan, s.name, s.email, s.reply_to, s.postal_address
    FROM accounts AS a LEFT JOIN senders AS s ON s.account_id = a.id
    WHERE a.id = :account_id
""")


class StoreSenderRow(NamedTuple):
    """What a store says about itself as a sender; None where it says nothing."""

    sender_name: str | None
    sender_email: str | None
    sender_reply_to: str | None
    postal_address: str | None
    consent_sentence: str | None


SELECT_FIRST_STORE_SENDER = text("""
    SELECT sender_name, sender_email, sender_reply_to, postal_address, consent_sentence FROM sources
    WHERE account_id = :account_id AND sender_email IS NOT NULL AND deleted_at IS NULL
      AND (cast(:sources AS bigint[]) IS NULL OR id = ANY(cast(:sources AS bigint[])))
    ORDER BY id LIMIT 1
""")
"""The oldest store with a sender of its own, of these sources or of all; no row when there is none."""


class LinkSecret(NamedTuple):
    """The secret that seals an account's links, and the name that the unsubscribe page shows."""

    cursor_secret: bytes
    name: str


SELECT_LINK_SECRET = text("""
    SELECT a.cursor_secret,
           coalesce(CASE WHEN o.sender_email IS NOT NULL THEN o.sender_name END, s.name, a.name) AS name
    FROM accounts AS a
    LEFT JOIN senders AS s ON s.account_id = a.id
    LEFT JOIN messages AS m ON m.account_id = a.id AND m.id = :message_id
    LEFT JOIN customers AS c ON c.account_id = a.id AND c.id = m.customer_id
    LEFT JOIN sources AS o ON o.account_id = a.id AND o.id = c.source_id
    WHERE a.id = :account_id AND a.deleted_at IS NULL
""")
"""The store is that of the message's recipient; of an erased one no store is known."""


class RecipientRow(NamedTuple):
    """A recipient, and the store as its messages present it."""

    id: int
    source_id: int
    email: str | None
    name: str | None
    first_name: str | None
    marketing: str
    suppressed: str | None
    language: str | None
    store: str
    store_url: str | None
    store_language: str | None
    sender_name: str | None
    sender_email: str | None
    sender_reply_to: str | None
    postal_address: str | None
    consent_sentence: str | None


@cache
def select_recipients(*, locked: bool) -> TextClause:
    """The recipients of messages; `locked`, none of them is erased or merged before the transaction ends."""
    return text(f"""
        SELECT c.id, c.source_id, c.email, c.name, c.first_name, c.marketing,
               {suppression_reason("c.email")} AS suppressed, c.language, s.name AS store, s.url AS store_url,
               s.language AS store_language, s.sender_name, s.sender_email, s.sender_reply_to, s.postal_address,
               s.consent_sentence
        FROM customers AS c JOIN sources AS s ON s.account_id = c.account_id AND s.id = c.source_id
        WHERE c.account_id = :account_id AND c.id = ANY(cast(:customers AS bigint[])) AND s.deleted_at IS NULL
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

OF_NO_DELETED_STORE = """NOT EXISTS (
        SELECT FROM customers AS c JOIN sources AS s ON s.account_id = c.account_id AND s.id = c.source_id
        WHERE c.account_id = m.account_id AND c.id = m.customer_id AND s.deleted_at IS NOT NULL)"""

SELECT_MESSAGE = text(f"""
    SELECT {MESSAGE_COLUMNS} FROM messages AS m
    WHERE m.account_id = :account_id AND m.id = :id AND {OF_NO_DELETED_STORE}
""")

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
        WHERE m.account_id = :account_id AND {OF_NO_DELETED_STORE}
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
