"""Stores: statements about audiences, sources and their health."""

from datetime import datetime

from sqlalchemy import Insert, Select, Update, insert, select, text, update

from app.tables import audiences, sources

HEALTH = text("""
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
"""How a source is doing; purchases are counted while an import keeps the board of all time behind."""


def new_audience(account_id: int, name: str, now: datetime) -> Insert:
    """A new audience; returns its id."""
    return insert(audiences).values(account_id=account_id, name=name, created_at=now).returning(audiences.c.id)


def audience(account_id: int, audience_id: int) -> Select[int]:
    """One audience."""
    return select(audiences.c.id).where(audiences.c.account_id == account_id, audiences.c.id == audience_id)


def audience_page(account_id: int, after: int, limit: int) -> Select[int, str, datetime]:
    """Audiences, oldest first."""
    return (
        select(audiences.c.id, audiences.c.name, audiences.c.created_at)
        .where(audiences.c.account_id == account_id, audiences.c.id > after)
        .order_by(audiences.c.id)
        .limit(limit)
    )


def new_source(account_id: int, audience_id: int, settings: dict[str, str], now: datetime) -> Insert:
    """A new source; returns its id."""
    return (
        insert(sources)
        .values(account_id=account_id, audience_id=audience_id, **settings, boards_due_at=now, created_at=now)
        .returning(sources.c.id)
    )


def source_page(account_id: int, after: int, limit: int, *, audience_id: int | None = None) -> "SourceSelect":
    """Sources, oldest first."""
    statement = _source(account_id).where(sources.c.id > after).order_by(sources.c.id).limit(limit)
    return statement if audience_id is None else statement.where(sources.c.audience_id == audience_id)


def source(account_id: int, source_id: int) -> "SourceSelect":
    """One source."""
    return _source(account_id).where(sources.c.id == source_id)


def changed_source(account_id: int, source_id: int, settings: dict[str, str], now: datetime) -> Update:
    """A source with other settings; its boards are due at once, for its calendar may be another."""
    return (
        update(sources)
        .where(sources.c.account_id == account_id, sources.c.id == source_id)
        .values(**settings, boards_due_at=now, version=sources.c.version + 1)
        .returning(sources.c.id)
    )


SourceSelect = Select[int, int, str, str, str, str, str, datetime]


def _source(account_id: int) -> SourceSelect:
    return select(
        sources.c.id,
        sources.c.audience_id,
        sources.c.name,
        sources.c.platform,
        sources.c.currency,
        sources.c.time_zone,
        sources.c.week_start,
        sources.c.created_at,
    ).where(sources.c.account_id == account_id)
