"""Reading VIPs: from the board of the last 365 days when it can answer, else from the orders."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from app.boards.answers import Origin
from app.boards.buckets import BUCKET_EDGES
from app.boards.questions import Question, Version
from app.boards.source import Source
from app.database.driver import first_hot_row
from app.database.pools import Connection
from app.periods import trailing_frame
from app.segments.histogram import Bar, bars
from app.segments.statements import Criteria, select_vip_page, select_vip_preview


class Limits(NamedTuple):
    """What has to be exceeded, in minor units and orders; None: slightly above the average buyer."""

    min_spend: int | None
    min_orders: int | None


class VipStart(NamedTuple):
    """Where a page begins: behind the customer with this spend."""

    value: int
    customer: int


@dataclass(frozen=True, slots=True)
class VipQuestion(Question):
    """A segment of one source over a resolved window.

    `kept` are the limits of the first page, so that pages fit together though the average moves.
    """

    days: int
    given: Limits
    kept: Limits

    def parameters(self) -> dict[str, object]:
        """The parameters that every statement of the question has."""
        bound = Question.parameters(self)
        return bound | {"min_spend": self.kept.min_spend, "min_orders": self.kept.min_orders}


@dataclass(frozen=True, slots=True)
class SegmentRow:
    """The columns of the totals: the version, the figures of the board, the thresholds, the members by rule."""

    version: int
    contacts_version: int | None
    next_purchase_at: datetime | None
    board_id: int | None
    customers: int
    purchases: int
    spend: int
    min_spend: int | None
    min_orders: int | None
    big: int
    frequent: int
    big_only: int


@dataclass(frozen=True, slots=True)
class VipPageRow(SegmentRow):
    """A page: the totals, the items as JSON text, and the last row shown."""

    items: str
    last_spend: int | None
    last_customer: int | None


@dataclass(frozen=True, slots=True)
class PreviewRow(SegmentRow):
    """A preview: the totals, and for both histograms pairs of a bucket's least value and its customers."""

    spend_pairs: Sequence[Sequence[int]] | None
    purchases_pairs: Sequence[Sequence[int]] | None


@dataclass(frozen=True, slots=True)
class Totals:
    """The totals of a whole segment."""

    customers: int
    purchases: int
    spend: int
    limits: Limits
    members: dict[Criteria, int]
    version: Version

    @classmethod
    def of(cls, row: SegmentRow, origin: Origin) -> "Totals":
        """The totals in a row; only a board that is not late has a version of its own."""
        board_id = row.board_id if origin is Origin.BOARD else None
        members = {
            Criteria.BIG_SPENDER: row.big,
            Criteria.FREQUENT_BUYER: row.frequent,
            Criteria.BLENDED: row.frequent + row.big_only,
        }
        version = Version(row.version, row.contacts_version, row.next_purchase_at, board_id, None, None)
        limits = Limits(row.min_spend, row.min_orders)
        return cls(row.customers, int(row.purchases), int(row.spend), limits, members, version)

    @property
    def mean_spend(self) -> int | None:
        """In minor units, rounded half up."""
        return (2 * self.spend + self.customers) // (2 * self.customers) if self.customers else None

    @property
    def mean_orders_hundredths(self) -> int | None:
        """In hundredths of an order, rounded half up."""
        return (200 * self.purchases + self.customers) // (2 * self.customers) if self.customers else None


@dataclass(frozen=True, slots=True)
class VipPage:
    """Members as JSON text, and where the next page begins."""

    totals: Totals
    items: str
    next_start: VipStart | None


@dataclass(frozen=True, slots=True)
class Spread:
    """The totals, and how spend and purchases are spread over the buyers."""

    totals: Totals
    spend: list[Bar]
    purchases: list[Bar]


def resolve_vips(source: Source, as_of: datetime, days: int, given: Limits, kept: Limits | None = None) -> VipQuestion:
    """The window in the store's calendar."""
    frame = trailing_frame(days, as_of, source.calendar)
    return VipQuestion(source, as_of, frame, None, days, given, kept or given)


async def read_vip_page(
    conn: Connection,
    question: VipQuestion,
    criteria: Criteria,
    *,
    limit: int,
    start: VipStart | None,
    origins: Sequence[Origin],
) -> VipPage | None:
    """One page, from the first of these origins that can answer."""
    bound = question.parameters() | {"limit": limit} | (start._asdict() if start else {})
    for origin in origins:
        statement = select_vip_page(criteria, origin, continued=start is not None)
        row = await first_hot_row(conn, statement, bound, VipPageRow)
        if row is not None:
            next_start = None
            if row.last_spend is not None and row.last_customer is not None:
                next_start = VipStart(row.last_spend, row.last_customer)
            return VipPage(Totals.of(row, origin), row.items, next_start)
    return None


async def read_spread(conn: Connection, question: VipQuestion, origins: Sequence[Origin]) -> Spread | None:
    """The totals and histograms, from the first of these origins that can answer."""
    bound = question.parameters() | {"bucket_edges": BUCKET_EDGES}
    for origin in origins:
        row = await first_hot_row(conn, select_vip_preview(origin), bound, PreviewRow)
        if row is not None:
            return Spread(Totals.of(row, origin), bars(row.spend_pairs or ()), bars(row.purchases_pairs or ()))
    return None
