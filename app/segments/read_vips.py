"""Reading VIPs: from the board of the last 365 days when it can answer, else from the orders."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from app.boards import ask_store
from app.boards.answers import Way
from app.boards.ask_store import Version, ways
from app.boards.buckets import BUCKET_EDGES
from app.boards.source import Source, UnknownSource
from app.database.driver import first_row
from app.database.pools import Connection
from app.periods import Frame, trailing_frame
from app.segments import histogram, vips
from app.segments.histogram import Bar
from app.segments.vips import Criteria


class Thresholds(NamedTuple):
    """What has to be exceeded; what is not given sets itself."""

    min_spend: int | None
    min_orders: int | None


class Place(NamedTuple):
    """Where a page begins: after the customer with this spend."""

    spend: int
    customer: int


@dataclass(frozen=True, slots=True)
class Question:
    """A segment of one source over a resolved window.

    `kept` are the thresholds of the first page, so that pages fit together though the average moves.
    """

    source: Source
    as_of: datetime
    days: int
    frame: Frame
    given: Thresholds
    kept: Thresholds

    def parameters(self) -> dict[str, Any]:
        """What every statement of the two paths is bound to."""
        bound = ask_store.source_parameters(self.source) | ask_store.frame_parameters(self.frame)
        return bound | {"min_spend": self.kept.min_spend, "min_orders": self.kept.min_orders}

    def etag(self, version: Version, variant: str) -> str:
        """The ETag of the answer of this version."""
        return version.etag(variant, self.frame.start, self.source.time_zone)


@dataclass(frozen=True, slots=True)
class Totals:
    """What is true of the whole segment."""

    customers: int
    purchases: int
    spend: int
    thresholds: Thresholds
    members: dict[Criteria, int]
    version: Version

    @property
    def mean_spend(self) -> int | None:
        """In minor units, rounded half up."""
        return (2 * self.spend + self.customers) // (2 * self.customers) if self.customers else None

    @property
    def mean_orders_hundredths(self) -> int | None:
        """In hundredths of an order, rounded half up."""
        return (200 * self.purchases + self.customers) // (2 * self.customers) if self.customers else None


@dataclass(frozen=True, slots=True)
class Page:
    """Members as JSON text, and where the next page begins."""

    totals: Totals
    items: str
    following: Place | None


@dataclass(frozen=True, slots=True)
class Preview:
    """The totals, and how the buyers are spread."""

    totals: Totals
    spend: list[Bar]
    purchases: list[Bar]


def resolve(source: Source, as_of: datetime, days: int, given: Thresholds, kept: Thresholds | None = None) -> Question:
    """The window in the store's calendar."""
    return Question(source, as_of, days, trailing_frame(days, as_of, source.calendar), given, kept or given)


async def read_version(conn: Connection, question: Question) -> Version:
    """What an answer would be made of now, without reading it."""
    has_board = question.frame.period is not None
    return await ask_store.read_version(conn, question.parameters(), has_board=has_board)


async def read_page(
    conn: Connection, question: Question, criteria: Criteria, *, limit: int, place: Place | None
) -> Page:
    """One page, from the board if it can answer."""
    bound = question.parameters() | {"limit": limit}
    if place is not None:
        bound |= {"value": place.spend, "customer": place.customer}
    for way in ways(question.frame):
        statement = vips.vip_page(criteria, way, continued=place is not None)
        row = await first_row(conn, statement, bound)
        if row is not None:
            following = None if row.last_customer is None else Place(row.last_spend, row.last_customer)
            return Page(_totals(row, way), row.items, following)
    raise UnknownSource


async def read_preview(conn: Connection, question: Question) -> Preview:
    """The totals and histograms, from the board if it can answer."""
    bound = question.parameters() | {"bucket_edges": BUCKET_EDGES}
    for way in ways(question.frame):
        row = await first_row(conn, vips.vip_preview(way), bound)
        if row is not None:
            spend, purchases = (histogram.bars(pairs or ()) for pairs in (row.spend_pairs, row.purchases_pairs))
            return Preview(_totals(row, way), spend, purchases)
    raise UnknownSource


def _totals(row: Any, way: Way) -> Totals:  # noqa: ANN401 - a row of either path
    live = way is Way.BOARD
    members = {
        Criteria.BIG_SPENDER: row.big,
        Criteria.FREQUENT_BUYER: row.frequent,
        Criteria.BLENDED: row.frequent + row.big_only,
    }
    return Totals(
        row.customers,
        int(row.purchases),
        int(row.spend),
        Thresholds(row.min_spend, row.min_orders),
        members,
        Version(live, (row.id, row.version, row.besides) if live else (row.version, row.besides)),
    )
