"""Statements: audiences, sources and their health."""

from datetime import datetime
from functools import cache
from typing import NamedTuple

from sqlalchemy import TextClause, text

SELECT_KNOWN_SOURCES = text("""
    SELECT id FROM sources
    WHERE account_id = :account_id AND id = ANY(cast(:sources AS bigint[])) AND deleted_at IS NULL
""")
"""Which of these ids are sources of the account."""

# ---------------------------------------------------------------- audiences


class AudienceRow(NamedTuple):
    """An audience."""

    id: int
    name: str
    created_at: datetime


INSERT_AUDIENCE = text("""
    INSERT INTO audiences (account_id, name, created_at) VALUES (:account_id, :name, :now) RETURNING id
""")

SELECT_AUDIENCE = text("SELECT id FROM audiences WHERE account_id = :account_id AND id = :audience_id")

SELECT_ACCOUNT_OF_AUDIENCE = text("SELECT account_id FROM audiences WHERE id = :audience_id")
"""For the operator's commands, which name an audience without its account."""

SELECT_AUDIENCES = text("""
    SELECT id, name, created_at FROM audiences
    WHERE account_id = :account_id AND id > :after
    ORDER BY id LIMIT :limit
""")

LOCK_AUDIENCE = text("""
    SELECT id, name, created_at FROM audiences WHERE account_id = :account_id AND id = :audience_id FOR UPDATE
""")
"""No source is connected to the audience before the transaction ends."""

LOCK_AUDIENCE_SHARED = text("""
    SELECT id FROM audiences WHERE account_id = :account_id AND id = :audience_id FOR KEY SHARE
""")
"""The audience is not deleted before the transaction ends."""

SELECT_SHOWN_AUDIENCE = text("""
    SELECT id, name, created_at FROM audiences WHERE account_id = :account_id AND id = :audience_id
""")

UPDATE_AUDIENCE = text("""
    UPDATE audiences SET name = :name WHERE account_id = :account_id AND id = :audience_id
    RETURNING id, name, created_at
""")

COUNT_SOURCES_OF_AUDIENCE = text("""
    SELECT count(*) AS sources FROM sources WHERE account_id = :account_id AND audience_id = :audience_id
""")
"""Also those that are deleted and whose rows are not gone yet."""

DELETE_AUDIENCE = text("DELETE FROM audiences WHERE account_id = :account_id AND id = :audience_id")

# ---------------------------------------------------------------- sources


class SourceRow(NamedTuple):
    """A source as it is shown."""

    id: int
    audience_id: int
    name: str
    platform: str
    currency: str
    time_zone: str
    week_start: str
    url: str | None
    sender_name: str | None
    sender_email: str | None
    sender_reply_to: str | None
    postal_address: str | None
    language: str | None
    consent_sentence: str | None
    created_at: datetime
    connection: str


SOURCE_COLUMNS = ", ".join(f"s.{name}" for name in SourceRow._fields if name != "connection")

SHOWN_SOURCES = f"""
    SELECT {SOURCE_COLUMNS}, coalesce(k.state, 'none') AS connection
    FROM sources AS s
    LEFT JOIN store_connections AS k ON k.account_id = s.account_id AND k.source_id = s.id"""

SELECT_SHOWN_SOURCE = text(f"""
    {SHOWN_SOURCES}
    WHERE s.account_id = :account_id AND s.id = :source_id AND s.deleted_at IS NULL
""")


@cache
def select_sources(*, of_audience: bool) -> TextClause:
    """A page of sources, oldest first."""
    return text(f"""
        {SHOWN_SOURCES}
        WHERE s.account_id = :account_id {"AND s.audience_id = :audience_id" if of_audience else ""} AND s.id > :after
          AND s.deleted_at IS NULL
        ORDER BY s.id LIMIT :limit
    """)


INSERT_SOURCE = text("""
    INSERT INTO sources (account_id, audience_id, name, platform, currency, time_zone, week_start, url,
                         sender_name, sender_email, sender_reply_to, postal_address, language, consent_sentence,
                         boards_due_at, created_at)
    VALUES (:account_id, :audience_id, :name, :platform, :currency, :time_zone, :week_start, :url,
            :sender_name, :sender_email, :sender_reply_to, :postal_address, :language, :consent_sentence,
            :now, :now)
    RETURNING id
""")

UPDATE_SOURCE = text("""
    UPDATE sources
    SET name = coalesce(cast(:name AS text), name), time_zone = coalesce(cast(:time_zone AS text), time_zone),
        week_start = coalesce(cast(:week_start AS text), week_start),
        url = CASE WHEN :sets_url THEN cast(:url AS text) ELSE url END,
        sender_name = CASE WHEN :sets_sender THEN cast(:sender_name AS text) ELSE sender_name END,
        sender_email = CASE WHEN :sets_sender THEN cast(:sender_email AS text) ELSE sender_email END,
        sender_reply_to = CASE WHEN :sets_sender THEN cast(:sender_reply_to AS text) ELSE sender_reply_to END,
        postal_address = CASE WHEN :sets_postal_address THEN cast(:postal_address AS text) ELSE postal_address END,
        language = CASE WHEN :sets_language THEN cast(:language AS text) ELSE language END,
        consent_sentence = CASE WHEN :sets_consent_sentence THEN cast(:consent_sentence AS text)
                                ELSE consent_sentence END,
        boards_due_at = :now, version = version + 1
    WHERE account_id = :account_id AND id = :source_id AND deleted_at IS NULL
    RETURNING id
""")
"""NULL leaves name, zone and first day as they are; the others are changed by their `sets_…`.

The boards are due at once: the calendar may be another one."""

# ---------------------------------------------------------------- health


class HealthRow(NamedTuple):
    """The counts of a source."""

    orders: int
    unattributed: int
    foreign_currency: int
    quarantined: int
    customers: int
    purchases: int
    history_from: datetime | None
    last_order_at: datetime | None


SELECT_HEALTH = text("""
    SELECT s.orders, s.unattributed, s.foreign_currency,
           (SELECT count(*) FROM inbox AS i
            WHERE i.account_id = :account_id AND i.source_id = :source_id AND i.status = 'quarantined') AS quarantined,
           (SELECT count(*) FROM customers AS c
            WHERE c.account_id = :account_id AND c.source_id = :source_id) AS customers,
           CASE WHEN EXISTS (SELECT FROM outdated_standings AS n
                             WHERE n.account_id = :account_id AND n.source_id = :source_id)
                THEN (SELECT count(*) FROM orders AS o
                      WHERE o.account_id = :account_id AND o.source_id = :source_id AND o.spend IS NOT NULL)
                ELSE (SELECT coalesce(max(b.purchases), 0) FROM boards AS b
                      WHERE b.account_id = :account_id AND b.source_id = :source_id AND b.kind = 'all_time')
                END AS purchases,
           (SELECT min(o.ordered_at) FROM orders AS o
            WHERE o.account_id = :account_id AND o.source_id = :source_id AND o.spend IS NOT NULL) AS history_from,
           (SELECT max(o.ordered_at) FROM orders AS o
            WHERE o.account_id = :account_id AND o.source_id = :source_id AND o.spend IS NOT NULL) AS last_order_at
    FROM sources AS s
    WHERE s.account_id = :account_id AND s.id = :source_id
""")
"""Purchases are counted in the orders while an import keeps the board of all time from answering."""

# ---------------------------------------------------------------- deletion

MARK_SOURCE_DELETED = text("""
    UPDATE sources SET deleted_at = :now WHERE account_id = :account_id AND id = :source_id
""")
"""From now on the source is unknown; the caller has locked it."""
