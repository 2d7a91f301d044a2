"""Reading a board: from its standings when one can answer, else from the orders.

A board can answer when it counts exactly the frame's period, no import is under way, and no
purchase on it lies after `as_of`. That is decided inside the statement that reads the page.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from app.boards import ask_store
from app.boards.answers import Way
from app.boards.ask_store import Version
from app.boards.source import Source
from app.database.driver import first_row
from app.database.pools import Connection
from app.leaderboard import ranking
from app.leaderboard.ranking import Compare, Metric
from app.periods import Frame, TimeFrame, custom_frame, named_frame, previous_frame

NO_BOARD = 0

VERSION_PARTS = {False: 3, True: 5}
"""How many columns of a live page make its version, without and with a comparison."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a client wants to know, before it is resolved in the store's calendar."""

    metric: Metric
    time_frame: TimeFrame
    as_of: datetime
    start: date | datetime | None
    end: date | datetime | None
    compare: Compare | None


@dataclass(frozen=True, slots=True)
class Question:
    """A ranking of one source over resolved intervals."""

    source: Source
    asked: Asked
    frame: Frame
    previous: Frame | None

    def parameters(self) -> dict[str, Any]:
        """What every statement of the two paths is bound to."""
        bound = ask_store.source_parameters(self.source) | ask_store.frame_parameters(self.frame)
        if self.previous is not None:
            bound |= ask_store.frame_parameters(self.previous, "previous_")
        return bound

    @property
    def ways(self) -> tuple[Way, ...]:
        """The ways to answer it, best first."""
        return ask_store.ways(self.frame) if self.has_board else (Way.ORDERS,)

    @property
    def has_board(self) -> bool:
        """Whether standings are kept for such intervals at all."""
        return self.frame.period is not None and (self.previous is None or self.previous.period is not None)

    def etag(self, version: Version, variant: str) -> str:
        """The ETag of the answer of this version."""
        return version.etag(variant, self.frame.start, self.previous and self.previous.start, self.source.time_zone)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page begins: after the row with this value and customer, `position` rows from the top.

    That holds as long as this board has this version; a board made anew counts its versions anew.
    """

    value: int
    customer: int
    position: int
    rank: int
    board: int
    version: int


@dataclass(frozen=True, slots=True)
class Page:
    """Rows as JSON text, the totals of the whole, and where the next page begins."""

    items: str
    customers: int
    purchases: int
    spend: str
    version: Version
    following: Place | None


def resolve(source: Source, asked: Asked) -> Question:
    """The intervals that a client asks for, in the store's calendar."""
    calendar = source.calendar

    def moment(day: date | datetime) -> datetime:
        return day if isinstance(day, datetime) else calendar.midnight(day)

    if asked.start is not None and asked.end is not None:
        frame = custom_frame(moment(asked.start), moment(asked.end), asked.as_of)
    else:
        frame = named_frame(asked.time_frame, asked.as_of, calendar)
    if asked.compare is not Compare.PREVIOUS:
        return Question(source, asked, frame, None)
    return Question(source, asked, frame, previous_frame(asked.time_frame, frame, asked.as_of, calendar))


async def read_version(conn: Connection, question: Question) -> Version:
    """What an answer would be made of now, without reading it."""
    compared = question.previous is not None
    return await ask_store.read_version(conn, question.parameters(), has_board=question.has_board, compared=compared)


async def read_page(conn: Connection, question: Question, way: Way, *, limit: int, place: Place | None) -> Page | None:
    """One page; nothing when the board that was to answer cannot."""
    live = way is not Way.ORDERS
    asked, continued = question.asked, place is not None
    if live:
        late = way is Way.LATE_BOARD
        statement = ranking.board_page(asked.metric, continued=continued, compare=asked.compare, late=late)
    else:
        statement = ranking.orders_page(asked.metric, continued=continued, compare=asked.compare)
    bound = question.parameters() | {"limit": limit}
    if place is not None:
        bound |= {"value": place.value, "customer": place.customer}
        known = {"position": place.position, "rank": place.rank, "board": place.board, "version": place.version}
        bound |= known if live else {}
    row = await first_row(conn, statement, bound)
    if row is None:
        return None
    following = None
    if row.last_customer is not None:
        # Only a board's own version tells that the rows before are still as many.
        board = row.id if way is Way.BOARD else NO_BOARD
        following = Place(row.last_value, row.last_customer, row.before + limit, row.last_rank, board, row.version)
    parts = (
        tuple(row)[: VERSION_PARTS[question.previous is not None]] if way is Way.BOARD else (row.version, row.besides)
    )
    version = Version(way is Way.BOARD, parts)
    return Page(row.items, row.customers, int(row.purchases), row.spend, version, following)


async def find_place(
    conn: Connection, question: Question, *, limit: int, customer_id: int, live: bool
) -> tuple[bool, Place | None] | None:
    """`(whether the customer is on the board, where the page that holds them begins)`; nothing if no board can tell."""
    statement = (ranking.board_place if live else ranking.orders_place)(question.asked.metric)
    bound = question.parameters() | {"limit": limit, "around": customer_id}
    row = (await conn.execute(statement, bound)).one_or_none()
    if row is None:
        return None
    if row.customer_id is None or not row.position:
        return row.customer_id is not None, None
    board = row.board if live else NO_BOARD
    return True, Place(row.value, row.customer, row.position, row.rank, board, row.version)
