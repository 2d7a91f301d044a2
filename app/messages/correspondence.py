"""Correspondence: statements that read messages and whom they are to."""

from functools import cache

from sqlalchemy import TextClause, text

SENDER = text("""
    SELECT a.plan, s.name, s.email, s.postal_address
    FROM accounts AS a LEFT JOIN senders AS s ON s.account_id = a.id
    WHERE a.id = :account_id
""")
"""Whether the account pays, and who its messages are from."""

RECIPIENTS = text("""
    SELECT c.id, c.source_id, c.email, c.name, c.marketing, c.language, s.name AS store
    FROM customers AS c JOIN sources AS s ON s.account_id = c.account_id AND s.id = c.source_id
    WHERE c.account_id = :account_id AND c.id = ANY(cast(:customers AS bigint[]))
""")
"""Whom messages are to."""

RECIPIENTS_HELD = text(f"{RECIPIENTS.text} ORDER BY c.id FOR KEY SHARE OF c")
"""The same; nobody of them is erased or merged before the transaction ends."""

LINE = """
    m.id, m.customer_id, m.kind, m.language, m.template, m.subject, m.status, m.reason, m.attempts, m.crashes,
    m.maybe_duplicate, m.message_id, m.created_at, m.sent_at, m.settled_at,
    CASE WHEN m.status = 'queued' THEN m.due_at END AS next_attempt_at
"""

ONE = text(f"SELECT {LINE}, m.text, m.html FROM messages AS m WHERE m.account_id = :account_id AND m.id = :id")
"""One message whole."""

ATTEMPTS = text("""
    SELECT started_at, ended_at, outcome, code, detail
    FROM message_attempts
    WHERE account_id = :account_id AND message_id = :id
    ORDER BY id
""")
"""Every attempt to send it, oldest first."""

CONDITIONS = {
    "customer": "AND m.customer_id = :customer",
    "status": "AND m.status = :status",
    "since": "AND m.created_at >= :since",
    "after": "AND (m.created_at, m.id) < (:after_created_at, :after_id)",
}


@cache
def page(conditions: frozenset[str]) -> TextClause:
    """Messages, newest first, that meet some of the CONDITIONS."""
    chosen = " ".join(condition for name, condition in CONDITIONS.items() if name in conditions)
    return text(f"""
        SELECT {LINE} FROM messages AS m
        WHERE m.account_id = :account_id {chosen}
        ORDER BY m.created_at DESC, m.id DESC
        LIMIT cast(:limit AS bigint)
    """)


SEAL = text("""
    SELECT a.cursor_secret, coalesce(s.name, a.name) AS name
    FROM accounts AS a LEFT JOIN senders AS s ON s.account_id = a.id
    WHERE a.id = :account_id
""")
"""What seals an account's links, and who they are from."""
