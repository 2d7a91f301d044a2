"""Statements: audiences, sources and their health."""

from datetime import datetime
from functools import cache
from typing import NamedTuple

from sqlalchemy import TextClause, text

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

SELECT_AUDIENCES = text("""
    SELECT id, name, created_at FROM audiences
    WHERE account_id = :account_id AND id > :after
    ORDER BY id LIMIT :limit
""")

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
    created_at: datetime


SOURCE_COLUMNS = ", ".join(SourceRow._fields)

SELECT_SHOWN_SOURCE = text(f"""
    SELECT {SOURCE_COLUMNS} FROM sources WHERE account_id = :account_id AND id = :source_id
""")


@cache
def select_sources(*, of_audience: bool) -> TextClause:
    """A page of sources, oldest first."""
    return text(f"""
        SELECT {SOURCE_COLUMNS} FROM sources
        WHERE account_id = :account_id {"AND audience_id = :audience_id" if of_audience else ""} AND id > :after
        ORDER BY id LIMIT :limit
    """)


INSERT_SOURCE = text("""
    INSERT INTO sources (account_id, audience_id, name, platform, currency, time_zone, week_start, url,
                         boards_due_at, created_at)
    VALUES (:account_id, :audience_id, :name, :platform, :currency, :time_zone, :week_start, :url, :now, :now)
    RETURNING id
""")

UPDATE_SOURCE = text("""
    UPDATE sources
    SET name = coalesce(cast(:name AS text), name), time_zone = coalesce(cast(:time_zone AS text), time_zone),
        week_start = coalesce(cast(:week_start AS text), week_start),
        url = CASE WHEN :sets_url THEN cast(:url AS text) ELSE url END,
        boards_due_at = :now, version = version + 1
    WHERE account_id = :account_id AND id = :source_id
    RETURNING id
""")
"""NULL leaves a setting as it is, but for the url. The boards are due at once: the calendar may be another one."""

# ---------------------------------------------------------------- health


class HealthRow(NamedTuple):
    """The counts of a source."""

    orders: int
    unattributed: int
    foreign_currency: int
    customers: int
    purchases: int
    history_from: datetime | None
    last_order_at: datetime | None


SELECT_HEALTH = text("""
    SELECT s.orders, s.unattributed, s.foreign_currency,
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
