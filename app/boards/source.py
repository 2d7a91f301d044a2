"""Source: one connected store as its orders and figures need it."""

import time
from dataclasses import astuple, dataclass
from functools import cached_property
from typing import Annotated, ClassVar, NamedTuple
from zoneinfo import ZoneInfo

from fastapi import Path
from sqlalchemy import text

from app.accounts.access import Caller
from app.database.pools import Connection, Database
from app.database.rows import first_row
from app.periods import Calendar
from app.problems import NotFound
from app.services import provided
from app.vocabulary import WeekStart
from app.wire.ids import PublicId
from app.wire.money import CURRENCIES

SOURCE_REMEMBERED_SECONDS = 5.0
REMEMBERED_SOURCES = 10_000


class UnknownSource(NotFound):
    """There is no such source in this account."""

    slug = "unknown-source"
    title = "No such source"


SourceId = Annotated[int, Path(alias="id"), PublicId("src", UnknownSource)]


@dataclass(frozen=True)
class Source:
    """The settings of a source, without what changes with its orders."""

    account_id: int
    id: int
    audience_id: int
    currency: str
    time_zone: str
    week_start: str
    masks_emails: ClassVar[bool] = False

    @property
    def digits(self) -> int:
        """Digits after the decimal point of its currency."""
        return CURRENCIES[self.currency]

    @cached_property
    def calendar(self) -> Calendar:
        """How the store divides time."""
        return Calendar(ZoneInfo(self.time_zone), WeekStart(self.week_start))

    @cached_property
    def masked(self) -> "Source":
        """The same source for callers who are shown no e-mail address."""
        return MaskedSource(*astuple(self))

    @property
    def key(self) -> dict[str, int]:
        """The parameters that every statement about the source has."""
        return {"account_id": self.account_id, "source_id": self.id}


SELECT_SOURCE = text("""
    SELECT account_id, id, audience_id, currency, time_zone, week_start
    FROM sources
    WHERE account_id = :account_id AND id = :source_id AND deleted_at IS NULL
""")

LOCK_SOURCE = text("""
    SELECT account_id, id, audience_id, currency, time_zone, week_start
    FROM sources
    WHERE account_id = :account_id AND id = :source_id AND deleted_at IS NULL
    FOR NO KEY UPDATE
""")
"""Only one transaction at a time writes a source's orders and standings. NO KEY: rows that refer to the source, such as
an import's, need not wait."""

SELECT_ACCOUNT_OF_SOURCE = text("SELECT account_id FROM sources WHERE id = :source_id AND deleted_at IS NULL")
"""For the operator's commands, which name a source without its account."""


class MaskedSource(Source):
    """A source of whose customers no e-mail address is shown; answers about it differ from those about the source."""

    masks_emails: ClassVar[bool] = True


class Counts(NamedTuple):
    """What a source counts of its orders; `amounts` are their totals together, whatever their currencies."""

    orders: int = 0
    unattributed: int = 0
    foreign_currency: int = 0
    amounts: int = 0

    def beyond(self, before: "Counts") -> "Counts":
        """What is counted here beyond what was counted `before`."""
        return Counts(*(mine - theirs for mine, theirs in zip(self, before, strict=True)))


def counted_orders() -> str:
    """SQL: the counts of a source as its orders say them, one row."""
    return """
        SELECT count(*) FILTER (WHERE deleted_at IS NULL) AS orders,
               count(*) FILTER (WHERE deleted_at IS NULL AND customer_id IS NULL) AS unattributed,
               count(*) FILTER (WHERE deleted_at IS NULL AND foreign_currency IS NOT NULL) AS foreign_currency,
               coalesce(sum(total) FILTER (WHERE deleted_at IS NULL), 0) AS amounts
        FROM orders WHERE account_id = :account_id AND source_id = :source_id"""


SET_COUNTED = text(f"""
    UPDATE sources AS s
    SET orders = n.orders, unattributed = n.unattributed, foreign_currency = n.foreign_currency, amounts = n.amounts
    FROM ({counted_orders()}) AS n
    WHERE s.account_id = :account_id AND s.id = :source_id
""")

ADD_TO_SOURCE_COUNTS = text("""
    UPDATE sources
    SET orders = orders + :orders, unattributed = unattributed + :unattributed,
        foreign_currency = foreign_currency + :foreign_currency, amounts = amounts + :amounts,
        version = version + 1, contacts_version = contacts_version + :contacts
    WHERE account_id = :account_id AND id = :source_id
    RETURNING amounts
""")
"""Adds to the source's counts, and to its versions: `contacts` is 1 when contact data have changed, else 0."""

SET_ERASED_AT = text("UPDATE sources SET erased_at = :now WHERE account_id = :account_id AND id = :source_id")

SELECT_HAS_ERASED = text("""
    SELECT erased_at IS NOT NULL AS has_erased FROM sources WHERE account_id = :account_id AND id = :source_id
""")
"""Whether a person of the source was ever erased."""

SELECT_DUE_SOURCES = text("""
    SELECT account_id, id AS source_id FROM sources
    WHERE boards_due_at <= :now AND deleted_at IS NULL
    ORDER BY boards_due_at
""")
"""The sources of all accounts whose periods have changed."""

SELECT_ALL_SOURCES = text("""
    SELECT account_id, id AS source_id FROM sources WHERE deleted_at IS NULL ORDER BY account_id, id
""")
"""The sources of all accounts."""

SET_BOARDS_DUE_AT = text("""
    UPDATE sources SET boards_due_at = :due_at WHERE account_id = :account_id AND id = :source_id
""")


async def read_source(conn: Connection, account_id: int, source_id: int) -> Source:
    """The source; UnknownSource where there is none."""
    found = await first_row(conn, SELECT_SOURCE, {"account_id": account_id, "source_id": source_id}, Source)
    if found is None:
        raise UnknownSource
    return found


async def lock_source(conn: Connection, account_id: int, source_id: int) -> Source:
    """Become the one writer of the source until the transaction ends; returns the source as it is now."""
    found = await first_row(conn, LOCK_SOURCE, {"account_id": account_id, "source_id": source_id}, Source)
    if found is None:
        raise UnknownSource
    return found


async def add_to_counts(
    conn: Connection,
    source: Source,
    counts: Counts,
    *,
    contacts_changed: bool = False,
) -> int:
    """Add to the source's counts and raise its version, which changes the ETags of answers about it.

    Returns what its orders amount to now, in minor units.
    """
    bound = source.key | counts._asdict() | {"contacts": int(contacts_changed)}
    added = await conn.execute(ADD_TO_SOURCE_COUNTS, bound)
    return int(added.scalar_one())


class SourceCache:
    """The sources that were read in the last seconds, so that a page needs no look-up of its source.

    Every process learns of a changed zone or first day of the week within that time.
    """

    def __init__(self) -> None:
        """Start without sources."""
        self._known: dict[tuple[int, int], tuple[float, Source]] = {}

    async def read(self, database: Database, account_id: int, source_id: int) -> Source:
        """The source of this account; UnknownSource for any other."""
        known = self._known.get((account_id, source_id))
        if known is not None and known[0] > time.monotonic():
            return known[1]
        async with database.read() as conn:
            source = await read_source(conn, account_id, source_id)
        if len(self._known) >= REMEMBERED_SOURCES:
            self._known.clear()
        self._known[account_id, source_id] = (time.monotonic() + SOURCE_REMEMBERED_SECONDS, source)
        return source

    async def read_for(self, database: Database, caller: Caller, source_id: int) -> Source:
        """The source as this caller may see it; one that a browser token does not name is unknown to it."""
        if not caller.sees(source_id):
            raise UnknownSource
        source = await self.read(database, caller.account_id, source_id)
        return source.masked if caller.masks_emails else source

    def forget(self, account_id: int, source_id: int) -> None:
        """Read the source afresh next time."""
        self._known.pop((account_id, source_id), None)


RememberedSources = Annotated[SourceCache, provided(SourceCache)]
