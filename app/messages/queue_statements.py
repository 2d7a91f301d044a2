"""Queue statements: the message queue; the rows of `messages` are the queue.

A row with a `due_at` waits: for its next attempt, or for the end of the lease of the worker
that has it. A lease is a random number that the worker has drawn; a worker that no longer holds
the lease changes nothing.
"""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import text

from app.boards.address_word import suppression_reason

CHANNEL = "messages_queued"

# ---------------------------------------------------------------- queueing


class QueuedMessage(NamedTuple):
    """A message that has just been queued."""

    id: int
    customer_id: int


INSERT_MESSAGES = text("""
    INSERT INTO messages (account_id, customer_id, kind, language, template, subject, text, html, message_id,
                          created_at, due_at)
    SELECT cast(:account_id AS bigint), n.customer_id, cast(:kind AS text), n.language, cast(:template AS text),
           n.subject, n.text, n.html, n.message_id, cast(:now AS timestamptz), cast(:now AS timestamptz)
    FROM unnest(cast(:customers AS bigint[]), cast(:languages AS text[]), cast(:subjects AS text[]),
                cast(:texts AS text[]), cast(:htmls AS text[]), cast(:message_ids AS text[]))
         AS n (customer_id, language, subject, text, html, message_id)
    RETURNING id, customer_id
""")
"""New messages are due at once."""

NOTIFY_WORKERS = text(f"NOTIFY {CHANNEL}")
"""A hint to idle workers when the transaction commits; without it they look once a second."""

# ---------------------------------------------------------------- claiming


class AccountWithMail(NamedTuple):
    """An account that has messages due."""

    account_id: int


SELECT_NEXT_ACCOUNT = text("""
    SELECT account_id FROM messages
    WHERE due_at <= :now AND account_id > :after
    ORDER BY account_id LIMIT 1
""")
"""The next account with due messages. Workers take accounts in turn, so a long queue does not delay other accounts."""


class LockedSender(NamedTuple):
    """The sender of an account, which is None when none is set; its pace and its plan."""

    name: str | None
    email: str | None
    reply_to: str | None
    postal_address: str | None
    rate_used_until: datetime
    paused_until: datetime | None
    plan: str
    cursor_secret: bytes


LOCK_SENDER = text("""
    SELECT s.name, s.email, s.reply_to, s.postal_address, s.rate_used_until, s.paused_until,
           CASE WHEN a.closed_at IS NULL THEN a.plan ELSE 'free' END AS plan, a.cursor_secret
    FROM senders AS s JOIN accounts AS a ON a.id = s.account_id
    WHERE s.account_id = :account_id
    FOR NO KEY UPDATE OF s SKIP LOCKED
""")
"""No row while another worker claims messages of this account."""


class DueMessage(NamedTuple):
    """A message that is due; one whose worker has died is `sending` still."""

    id: int
    customer_id: int | None
    kind: str
    language: str
    subject: str
    text: str
    html: str | None
    message_id: str
    status: str
    attempts: int
    crashes: int
    created_at: datetime
    first_tried_at: datetime | None

    @property
    def crashes_so_far(self) -> int:
        """How many crashes it was being sent in: a message that is due while `sending` has lost its worker."""
        return self.crashes + (self.status == "sending")


CLAIM_DUE = text("""
    SELECT id, customer_id, kind, language, subject, text, html, message_id, status, attempts, crashes,
           created_at, first_tried_at
    FROM messages
    -- not what this worker itself is sending: while the database is away, its leases end too
    WHERE account_id = :account_id AND due_at <= :now AND id <> ALL(cast(:in_flight AS bigint[]))
    ORDER BY due_at LIMIT cast(:most AS bigint)
    FOR NO KEY UPDATE SKIP LOCKED
""")


class LockedRecipient(NamedTuple):
    """A recipient whose choice cannot change before the transaction ends, and the sender of their store."""

    id: int
    email: str | None
    name: str | None
    marketing: str
    suppressed: str | None
    sender_name: str | None
    sender_email: str | None
    sender_reply_to: str | None
    postal_address: str | None
    consent_sentence: str | None


LOCK_RECIPIENTS = text(f"""
    -- customers of a deleted store have no address any more
    SELECT c.id, CASE WHEN s.deleted_at IS NULL THEN c.email END AS email, c.name, c.marketing,
           {suppression_reason("c.email")} AS suppressed,
           s.sender_name, s.sender_email, s.sender_reply_to, s.postal_address, s.consent_sentence
    FROM customers AS c JOIN sources AS s ON s.account_id = c.account_id AND s.id = c.source_id
    WHERE c.account_id = :account_id AND c.id = ANY(cast(:customers AS bigint[]))
    ORDER BY c.id
    FOR SHARE OF c SKIP LOCKED
""")
"""Leaves out recipients whom another transaction has locked, to change or erase them."""

MARK_SENDING = text("""
    UPDATE messages AS m
    SET status = 'sending', lease = :lease, due_at = :lease_until, crashes = n.crashes,
        address_hash = n.address_hash,
        -- a message that was `sending` may have been handed over by the worker that died
        maybe_duplicate = m.maybe_duplicate OR m.status = 'sending',
        -- a try that does not count as an attempt, such as a refused login, does not set it
        first_tried_at = CASE WHEN m.attempts = 0 THEN :now ELSE m.first_tried_at END
    FROM unnest(cast(:ids AS bigint[]), cast(:crashes AS bigint[]), cast(:address_hashes AS bytea[]))
         AS n (id, crashes, address_hash)
    WHERE m.account_id = :account_id AND m.id = n.id
""")

CLOSE_MESSAGES = text("""
    UPDATE messages AS m
    SET status = n.status, reason = n.reason, crashes = n.crashes, due_at = NULL, lease = NULL, settled_at = :now
    FROM unnest(cast(:ids AS bigint[]), cast(:statuses AS text[]), cast(:reasons AS text[]),
                cast(:crashes AS bigint[])) AS n (id, status, reason, crashes)
    WHERE m.account_id = :account_id AND m.id = n.id
""")
"""Messages that are not sent, with the reason of each."""

POSTPONE_MESSAGES = text("""
    UPDATE messages AS m
    SET status = 'queued', reason = :reason, due_at = :until, lease = NULL, crashes = n.crashes,
        maybe_duplicate = m.maybe_duplicate OR m.status = 'sending'
    FROM unnest(cast(:ids AS bigint[]), cast(:crashes AS bigint[])) AS n (id, crashes)
    WHERE m.account_id = :account_id AND m.id = n.id
""")
"""Messages that cannot be sent yet, for a reason that is not about their recipients."""

SET_RATE_USED = text("UPDATE senders SET rate_used_until = :until WHERE account_id = :account_id")
"""How far ahead the account has used its sending rate."""

SELECT_UNPAID_ACCOUNTS = text("""
    SELECT DISTINCT m.account_id
    FROM messages AS m JOIN accounts AS a ON a.id = m.account_id
    WHERE m.due_at IS NOT NULL AND m.status = 'queued' AND (a.plan = 'free' OR a.closed_at IS NOT NULL)
""")
"""Accounts that have queued messages but are no longer on the paid plan, or are closed."""

CANCEL_UNPAID_MESSAGES = text("""
    UPDATE messages
    SET status = 'cancelled', reason = 'plan_lost', due_at = NULL, lease = NULL, settled_at = :now
    WHERE account_id = :account_id AND (status = 'queued' OR status = 'sending' AND due_at <= :now)
      AND EXISTS (SELECT FROM accounts AS a WHERE a.id = :account_id AND (a.plan = 'free' OR a.closed_at IS NOT NULL))
""")
"""Cancels what the account has queued and is not being sent, unless the account is open and on the paid plan again."""

# ---------------------------------------------------------------- settling

EXTEND_LEASES = text("""
    UPDATE messages AS m
    SET due_at = :lease_until
    FROM unnest(cast(:ids AS bigint[]), cast(:leases AS bigint[])) AS n (id, lease)
    WHERE m.account_id = :account_id AND m.id = n.id AND m.lease = n.lease AND m.status = 'sending'
""")


SETTLE_MESSAGES = text("""
    WITH
    -- the outcomes of messages whose lease this worker still holds
    settled AS (
        UPDATE messages AS m
        SET status = n.status, reason = n.reason, attempts = n.attempts, due_at = n.due_at, lease = NULL,
            provider_id = CASE WHEN m.customer_id IS NOT NULL THEN n.provider_id END,
            maybe_duplicate = m.maybe_duplicate OR n.maybe_duplicate,
            sent_at = n.sent_at, settled_at = n.settled_at
        FROM unnest(cast(:ids AS bigint[]), cast(:leases AS bigint[]), cast(:statuses AS text[]),
                    cast(:reasons AS text[]), cast(:attempts AS bigint[]), cast(:dues_at AS timestamptz[]),
                    cast(:provider_ids AS text[]), cast(:maybe_duplicates AS boolean[]),
                    cast(:sents_at AS timestamptz[]), cast(:settleds_at AS timestamptz[]))
             AS n (id, lease, status, reason, attempts, due_at, provider_id, maybe_duplicate, sent_at, settled_at)
        WHERE m.account_id = :account_id AND m.id = n.id AND m.lease = n.lease AND m.status = 'sending'
        RETURNING m.account_id, m.id, m.customer_id
    ),
    -- the attempts; of erased customers no detail is kept, because it may hold their address
    logged AS (
        INSERT INTO message_attempts (account_id, message_id, started_at, ended_at, outcome, code, detail)
        SELECT s.account_id, s.id, n.started_at, n.ended_at, n.outcome, n.code,
               CASE WHEN s.customer_id IS NULL THEN '' ELSE n.detail END
        FROM settled AS s
        JOIN unnest(cast(:ids AS bigint[]), cast(:starteds_at AS timestamptz[]), cast(:endeds_at AS timestamptz[]),
                    cast(:outcomes AS text[]), cast(:codes AS text[]), cast(:details AS text[]))
             AS n (id, started_at, ended_at, outcome, code, detail) ON n.id = s.id
    )
    SELECT id FROM settled
""")
"""One statement saves a round trip per mail."""


PAUSE_SENDER = text("""
    UPDATE senders SET paused_until = :until, paused_because = :because WHERE account_id = :account_id
""")

RESUME_SENDER = text("""
    UPDATE senders SET paused_until = NULL, paused_because = NULL
    WHERE account_id = :account_id AND paused_until = :until
""")
"""Ends the pause that was to last until then, and no later one."""

# ---------------------------------------------------------------- held messages

SELECT_HELD_MESSAGES = text("SELECT account_id, id FROM messages WHERE status = 'held' ORDER BY account_id, id")
"""The messages of all accounts that wait for an operator."""

RELEASE_MESSAGE = text("""
    UPDATE messages SET status = 'queued', reason = NULL, crashes = 0, due_at = :now, settled_at = NULL
    WHERE account_id = :account_id AND id = :id AND status = 'held'
    RETURNING id
""")
"""Queues a held message again."""
