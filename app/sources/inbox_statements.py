"""Inbox statements: webhooks as they came, and what has become of them."""

from datetime import datetime
from functools import cache
from typing import NamedTuple

from sqlalchemy import TextClause, text

from app.vocabulary import DeliveryStatus

# ---------------------------------------------------------------- receiving


class ReceiverRow(NamedTuple):
    """What is needed to check a webhook; `secrets` is encrypted."""

    account_id: int
    platform: str
    secrets: bytes
    mention_secret: bytes


SELECT_RECEIVER = text("""
    SELECT k.account_id, s.platform, k.secrets, a.cursor_secret AS mention_secret
    FROM store_connections AS k
    JOIN sources AS s ON s.account_id = k.account_id AND s.id = k.source_id
    JOIN accounts AS a ON a.id = k.account_id
    WHERE k.source_id = :source_id AND a.closed_at IS NULL AND s.deleted_at IS NULL
""")
"""A webhook names a source without its account; a closed account receives nothing."""

INSERT_DELIVERIES = text("""
    INSERT INTO inbox (account_id, source_id, identity, topic, content, status, received_at)
    SELECT cast(:account_id AS bigint), n.source_id, n.identity, n.topic, n.content, 'waiting', n.received_at
    FROM unnest(cast(:identities AS bytea[]), cast(:source_ids AS bigint[]), cast(:topics AS text[]),
                cast(:contents AS bytea[]), cast(:moments AS timestamptz[]))
         AS n (identity, source_id, topic, content, received_at)
    ON CONFLICT (account_id, source_id, identity) DO NOTHING
""")
"""A delivery that comes again is stored once; the caller gives the rows in the order of their identities."""

INSERT_QUARANTINED = text("""
    INSERT INTO inbox (account_id, source_id, identity, topic, content, status, reason, detail, received_at, settled_at)
    VALUES (:account_id, :source_id, :identity, :topic, :content, 'quarantined', :reason, :detail, :now, :now)
    ON CONFLICT (account_id, source_id, identity) DO NOTHING
""")

# ---------------------------------------------------------------- settling


class WaitingSource(NamedTuple):
    """A source with webhooks that wait."""

    account_id: int
    source_id: int


SELECT_WAITING_SOURCES = text("""
    SELECT DISTINCT i.account_id, i.source_id
    FROM inbox AS i JOIN sources AS s ON s.account_id = i.account_id AND s.id = i.source_id
    WHERE i.status = 'waiting' AND s.deleted_at IS NULL
""")
"""The sources of all accounts whose webhooks wait for the worker."""


class WaitingDelivery(NamedTuple):
    """A webhook that waits; `content` is encrypted."""

    id: int
    content: bytes | None
    received_at: datetime


SELECT_WAITING_DELIVERIES = text("""
    SELECT id, content, received_at FROM inbox
    WHERE account_id = :account_id AND source_id = :source_id AND status = 'waiting'
    ORDER BY id LIMIT :limit
""")

LOCK_DELIVERIES = text("""
    SELECT id FROM inbox
    WHERE account_id = :account_id AND id = ANY(cast(:ids AS bigint[])) AND status = 'waiting'
    ORDER BY id
    FOR UPDATE
""")
"""Locks the webhooks that still wait: another worker may have settled some."""

SETTLE_DELIVERIES = text("""
    UPDATE inbox AS i
    SET status = n.status, reason = n.reason, detail = n.detail, settled_at = cast(:now AS timestamptz),
        content = CASE WHEN n.forgets OR i.received_at <= cast(:erased_at AS timestamptz) THEN NULL ELSE i.content END
    FROM unnest(cast(:ids AS bigint[]), cast(:statuses AS text[]), cast(:reasons AS text[]), cast(:details AS text[]),
                cast(:forgets AS boolean[])) AS n (id, status, reason, detail, forgets)
    WHERE i.account_id = :account_id AND i.id = n.id
""")
"""What came before a person of the source was last erased may name that person: its content is not kept."""

SET_MENTIONS = text("""
    UPDATE inbox AS i
    SET mentions = n.mentions
    FROM (SELECT m.id, array_agg(m.mention) AS mentions
          FROM unnest(cast(:ids AS bigint[]), cast(:mentions AS bigint[])) AS m (id, mention)
          GROUP BY m.id) AS n
    WHERE i.account_id = :account_id AND i.id = n.id
""")


class NamedCustomer(NamedTuple):
    """A customer that a store names."""

    id: int


SELECT_NAMED_CUSTOMERS = text("""
    SELECT c.id FROM customers AS c
    WHERE c.account_id = :account_id AND c.source_id = :source_id
          AND c.external_id = cast(:external_id AS text)
    UNION
    SELECT c.id FROM customers AS c
    WHERE c.account_id = :account_id AND c.source_id = :source_id AND c.email = cast(:email AS text)
          AND (c.external_id IS NULL OR cast(:external_id AS text) IS NULL)
    UNION
    SELECT e.customer_id FROM addresses AS e
    JOIN customers AS c ON c.account_id = e.account_id AND c.id = e.customer_id
    WHERE e.account_id = :account_id AND e.source_id = :source_id AND e.email = cast(:email AS text)
          AND (c.external_id IS NULL OR cast(:external_id AS text) IS NULL)
""")
"""By the store's id, and by an address: then those without an id, or all where no id is named."""

SELECT_ERASED_AT = text("SELECT erased_at FROM sources WHERE account_id = :account_id AND id = :source_id")

UPSERT_ORDERS_TO_READ = text("""
    INSERT INTO orders_to_read (account_id, source_id, order_id, asked_at)
    SELECT cast(:account_id AS bigint), cast(:source_id AS bigint), n.order_id, cast(:now AS timestamptz)
    FROM unnest(cast(:order_ids AS text[])) AS n (order_id)
    ON CONFLICT (account_id, source_id, order_id) DO UPDATE SET asked_at = excluded.asked_at
""")


class KnownRefund(NamedTuple):
    """A refund, as its order or a webhook of its own tells it."""

    order_id: str
    refund_id: str
    amount: str


INSERT_REFUNDS = text("""
    INSERT INTO store_refunds (account_id, source_id, order_id, refund_id, amount)
    SELECT cast(:account_id AS bigint), cast(:source_id AS bigint), n.order_id, n.refund_id, n.amount
    FROM unnest(cast(:order_ids AS text[]), cast(:refund_ids AS text[]), cast(:amounts AS text[]))
         AS n (order_id, refund_id, amount)
    ON CONFLICT (account_id, source_id, order_id, refund_id) DO NOTHING
    RETURNING order_id, refund_id, amount
""")
"""Returns the refunds that were not known before."""


SELECT_REFUNDS = text("""
    SELECT order_id, refund_id, amount FROM store_refunds
    WHERE account_id = :account_id AND source_id = :source_id AND order_id = ANY(cast(:order_ids AS text[]))
    ORDER BY order_id, refund_id
""")

DELETE_OLD_DELIVERIES = text("""
    DELETE FROM inbox WHERE account_id = :account_id AND received_at < :expired AND status <> 'waiting'
""")

SELECT_ACCOUNTS_WITH_OLD_DELIVERIES = text("""
    SELECT DISTINCT account_id FROM inbox WHERE received_at < :expired AND status <> 'waiting'
""")

# ---------------------------------------------------------------- another key


class AgedWebhook(NamedTuple):
    """A webhook that was encrypted with another key than the first."""

    account_id: int
    id: int
    source_id: int
    content: bytes


SELECT_AGED_WEBHOOKS = text("""
    SELECT account_id, id, source_id, content FROM inbox
    WHERE substring(content FROM 1 FOR 5) <> cast(:prefix AS bytea)
          AND (account_id, id) > (cast(:after_account AS bigint), cast(:after AS bigint))
    ORDER BY account_id, id LIMIT cast(:limit AS bigint)
""")
"""The webhooks of all accounts that a changed key has left behind, a page of them."""

SET_CONTENT = text("""
    UPDATE inbox SET content = :content WHERE account_id = :account_id AND id = :id AND content IS NOT NULL
""")
"""A content that was erased meanwhile stays erased."""

# ---------------------------------------------------------------- showing


class DeliveryRow(NamedTuple):
    """A webhook as it is shown."""

    id: int
    topic: str
    status: str
    reason: str | None
    detail: str | None
    received_at: datetime
    settled_at: datetime | None


@cache
def select_deliveries(*, of_status: DeliveryStatus | None) -> TextClause:
    """A page of the inbox, newest first; the status is written out, so that its own index serves."""
    return text(f"""
        SELECT id, topic, status, reason, detail, received_at, settled_at FROM inbox
        WHERE account_id = :account_id AND source_id = :source_id AND id < :before
              {f"AND status = '{of_status.value}'" if of_status else ""}
        ORDER BY id DESC LIMIT :limit
    """)


SET_WAITING = text("""
    UPDATE inbox SET status = 'waiting', reason = NULL, detail = NULL, settled_at = NULL
    WHERE account_id = :account_id AND source_id = :source_id AND id = :id AND content IS NOT NULL
    RETURNING id, topic, status, reason, detail, received_at, settled_at
""")
"""Takes a webhook up again; returns no row when there is none, or its content is gone."""

SELECT_DELIVERY = text("""
    SELECT id, topic, status, reason, detail, received_at, settled_at FROM inbox
    WHERE account_id = :account_id AND source_id = :source_id AND id = :id
""")
