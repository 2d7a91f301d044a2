"""Reading a board: from its standings when one can answer, else from the orders.

A board can answer when it counts exactly the frame's period, no import is under way, and no
purchase on it lies after `as_of`. That is decided inside the statement that reads the page.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple

from app.boards.answers import Origin
from app.boards.questions import Question, Version
from app.boards.source import Source
from app.database.driver import first_hot_row
from app.database.pools import Connection
from app.leaderboard import statements
from app.leaderboard.statements import Compare
from app.periods import TimeFrame, custom_frame, named_frame, previous_frame
from app.problems import NotFound
from app.vocabulary import Metric

NO_BOARD = 0


class CustomerNotRanked(NotFound):
    """This customer is not on that board: no purchase in the frame, or no such customer."""

    slug = "customer-not-ranked"
    title = "Not on this board"


@dataclass(frozen=True, slots=True)
class BoardQuestion(Question):
    """A ranking of one source over resolved intervals."""

    metric: Metric
    time_frame: TimeFrame
    compare: Compare | None


class PageStart(NamedTuple):
    """Where a page begins: behind the row with this value and customer, `position` rows from the top.

    `position` and `rank` hold as long as this board has this version; a board that is made anew counts
    its versions anew.
    """

    value: int
    customer: int
    position: int
    rank: int
    board: int
    version: int


class PageRow(NamedTuple):
    """The row of a statement that selects a page: version, totals, items as JSON text, and the last row shown."""

    version: int
    contacts_version: int | None
    next_purchase_at: datetime | None
    board_id: int | None
    previous_board_id: int | None
    previous_version: int | None
    customers: int
    purchases: int
    spend: str
    items: str
    last_value: int | None
    last_customer: int | None
    last_rank: int | None
    before: int


class HolderRow(NamedTuple):
    """The row of a statement that looks for a customer: `around` is None when they are not on the board."""

    around: int | None
    value: int | None
    customer: int | None
    position: int | None
    rank: int | None
    board: int | None
    version: int


@dataclass(frozen=True, slots=True)
class Page:
    """Rows as JSON text, the totals of the whole board, and where the next page begins."""

    items: str
    customers: int
    purchases: int
    spend: str
    version: Version
    next_start: PageStart | None


def resolve(
    source: Source,
    metric: Metric,
    time_frame: TimeFrame,
    as_of: datetime,
    *,
    start: date | datetime | None = None,
    end: date | datetime | None = None,
    compare: Compare | None = None,
) -> BoardQuestion:
    """The intervals that a client asks for, in the store's calendar."""
    calendar = source.calendar
    if start is not None and end is not None:
        frame = custom_frame(calendar.moment(start), calendar.moment(end), as_of)
    else:
        frame = named_frame(time_frame, as_of, calendar)
    previous = previous_frame(time_frame, frame, as_of, calendar) if compare is Compare.PREVIOUS else None
    return BoardQuestion(source, as_of, frame, previous, metric, time_frame, compare)


async def read_page(
    conn: Connection,
    question: BoardQuestion,
    *,
    limit: int,
    start: PageStart | None = None,
    around: int | None = None,
    origins: Sequence[Origin],
) -> Page | None:
    """One page from the first of these origins that can answer; with `around` the page that holds this customer."""
    for origin in origins:
        page = await _page_from(origin, conn, question, limit, start, around)
        if page is not None:
            return page
    return None


async def _page_from(
    origin: Origin, conn: Connection, question: BoardQuestion, limit: int, start: PageStart | None, around: int | None
) -> Page | None:
    if around is not None and start is None:
        if origin is Origin.LATE_BOARD:  # no statement looks for a customer on one
            return None
        holder = await _holder(origin, conn, question, limit, around)
        if holder is None:
            return None
        start = _start_of(holder, origin)
    row = await _page_row(origin, conn, question, limit, start)
    if row is None:
        return None
    next_start = None
    if row.last_value is not None and row.last_customer is not None and row.last_rank is not None:
        # Only an unchanged version of the board proves that as many rows lie before the page as did.
        board = row.board_id if origin is Origin.BOARD else None
        last = (row.last_value, row.last_customer, row.before + limit, row.last_rank)
        next_start = PageStart(*last, board or NO_BOARD, row.version)
    board_id = row.board_id if origin is Origin.BOARD else None
    version = Version(
        row.version, row.contacts_version, row.next_purchase_at, board_id, row.previous_board_id, row.previous_version
    )
    return Page(row.items, row.customers, int(row.purchases), row.spend, version, next_start)


async def _page_row(
    origin: Origin, conn: Connection, question: BoardQuestion, limit: int, start: PageStart | None
) -> PageRow | None:
    continued, compare = start is not None, question.compare
    if origin is Origin.ORDERS:
        statement = statements.select_orders_page(question.metric, continued=continued, compare=compare)
    else:
        late = origin is Origin.LATE_BOARD
        statement = statements.select_board_page(question.metric, continued=continued, compare=compare, late=late)
    bound = question.parameters() | {"limit": limit} | (start._asdict() if start else {})
    return await first_hot_row(conn, statement, bound, PageRow)


async def _holder(
    origin: Origin, conn: Connection, question: BoardQuestion, limit: int, around: int
) -> HolderRow | None:
    """Where this customer stands; None when the board cannot answer."""
    select = statements.select_page_start_on_board if origin is Origin.BOARD else statements.select_page_start_in_orders
    bound = question.parameters() | {"limit": limit, "around": around}
    return await first_hot_row(conn, select(question.metric), bound, HolderRow)


def _start_of(holder: HolderRow, origin: Origin) -> PageStart | None:
    """The start of the page that holds the customer; None when it is the first page."""
    if holder.around is None:
        raise CustomerNotRanked
    if not holder.position or holder.value is None or holder.customer is None or holder.rank is None:
        return None
    board = holder.board if origin is Origin.BOARD else None
    return PageStart(holder.value, holder.customer, holder.position, holder.rank, board or NO_BOARD, holder.version)
