"""Source: one connected store as its orders and figures need it."""

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Select, Update, select, update

from app.periods import Calendar, WeekStart
from app.problems import NotFound
from app.tables import sources
from app.wire.ids import PublicId
from app.wire.money import CURRENCIES


class UnknownSource(NotFound):
    """There is no such source in this account."""

    slug = "unknown-source"
    title = "No such source"


SourceId = Annotated[int, PublicId("src", UnknownSource)]


@dataclass(frozen=True)
class Source:
    """What a store is, without what changes with its orders."""

    account_id: int
    id: int
    audience_id: int
    currency: str
    time_zone: str
    week_start: str

    @property
    def digits(self) -> int:
        """Digits after the decimal point of its currency."""
        return CURRENCIES[self.currency]

    @cached_property
    def calendar(self) -> Calendar:
        """How it divides time."""
        return Calendar(ZoneInfo(self.time_zone), WeekStart(self.week_start))

    @property
    def key(self) -> dict[str, int]:
        """The parameters that every statement about it has."""
        return {"account_id": self.account_id, "source_id": self.id}


SourceSelect = Select[int, int, int, str, str, str]


def one(account_id: int, source_id: int) -> SourceSelect:
    """One source."""
    return select(
        sources.c.account_id,
        sources.c.id,
        sources.c.audience_id,
        sources.c.currency,
        sources.c.time_zone,
        sources.c.week_start,
    ).where(sources.c.account_id == account_id, sources.c.id == source_id)


def locked(account_id: int, source_id: int) -> SourceSelect:
    """One source, its row locked: there is one writer of a source's orders and standings at a time.

    NO KEY: rows that refer to the source, such as the note of an import, need not wait for it.
    """
    return one(account_id, source_id).with_for_update(key_share=True)


def account_of(source_id: int) -> Select[int]:
    """The account of a source, for the operator's commands only."""
    return select(sources.c.account_id).where(sources.c.id == source_id)


def counted(
    account_id: int, source_id: int, *, orders: int, unattributed: int, foreign_currency: int, contacts: bool
) -> Update:
    """The source's own counts moved, and its versions with them."""
    return (
        update(sources)
        .where(sources.c.account_id == account_id, sources.c.id == source_id)
        .values(
            orders=sources.c.orders + orders,
            unattributed=sources.c.unattributed + unattributed,
            foreign_currency=sources.c.foreign_currency + foreign_currency,
            version=sources.c.version + 1,
            contacts_version=sources.c.contacts_version + (1 if contacts else 0),
        )
    )


def erased(account_id: int, source_id: int, now: object) -> Update:
    """A person of the source was erased."""
    return update(sources).where(_is(account_id, source_id)).values(erased_at=now)


def has_erased(account_id: int, source_id: int) -> Select[bool]:
    """Whether anybody of the source was erased."""
    return select(sources.c.erased_at.is_not(None)).where(_is(account_id, source_id))


def due(now: object) -> Select[int, int]:
    """The sources of all accounts whose periods have changed."""
    return (
        select(sources.c.account_id, sources.c.id)
        .where(sources.c.boards_due_at <= now)
        .order_by(sources.c.boards_due_at)
    )


def everywhere() -> Select[int, int]:
    """The sources of all accounts."""
    return select(sources.c.account_id, sources.c.id).order_by(sources.c.account_id, sources.c.id)


def next_due(account_id: int, source_id: int, moment: object) -> Update:
    """When the boards of a source are due again."""
    return update(sources).where(_is(account_id, source_id)).values(boards_due_at=moment)


def _is(account_id: int, source_id: int) -> ColumnElement[bool]:
    return (sources.c.account_id == account_id) & (sources.c.id == source_id)
