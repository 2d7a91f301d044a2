"""Questions: what every question about a store's figures has in common.

It names the store, the instant up to which orders count, and the interval. Its version tells whether an answer has
changed.
"""

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple, TypeVar

from app.accounts.access import Caller
from app.boards.answers import SELECT_SOURCE_VERSION, Origin, select_board_version
from app.boards.source import RememberedSources, Source, UnknownSource
from app.database.driver import first_hot_row
from app.database.pools import Connection, Database
from app.periods import HISTORY_BEGINS, Frame
from app.problems import FieldError, InvalidRequest, NotFound
from app.wire.ids import row_id
from app.wire.instants import CLOCK_SKEW
from app.wire.money import unit_of
from app.words import Sentence

Answered = TypeVar("Answered")


class Version(NamedTuple):
    """The version of an answer: two answers to one question with the same version are equal.

    `version` is the board's, with the version of the contact data. Where the answer comes from the orders, it is
    the source's, with the next purchase after `as_of`.
    """

    version: int
    contacts_version: int | None
    next_purchase_at: datetime | None
    board_id: int | None
    previous_board_id: int | None
    previous_version: int | None


@dataclass(frozen=True, slots=True)
class Question:
    """A question about one source over a resolved interval, and the interval that it is compared with."""

    source: Source
    as_of: datetime
    frame: Frame
    previous: Frame | None

    def parameters(self) -> dict[str, Any]:
        """The parameters that every statement of the question has."""
        source = self.source
        bound = source.key | {"unit": unit_of(source.digits), "currency": source.currency}
        bound["masks_emails"] = source.masks_emails
        bound |= frame_parameters(self.frame)
        return bound if self.previous is None else bound | frame_parameters(self.previous, "previous_")

    @property
    def boards(self) -> tuple[Origin, ...]:
        """The boards that the answer can come from, best first; the orders can always answer."""
        if self.frame.period is None or (self.previous is not None and self.previous.period is None):
            return ()
        is_over = self.frame.before >= self.frame.period.counted_until
        return (Origin.BOARD,) if is_over else (Origin.BOARD, Origin.LATE_BOARD)

    @property
    def origins(self) -> tuple[Origin, ...]:
        """Where the answer can come from, best first."""
        return (*self.boards, Origin.ORDERS)

    def etag(self, version: Version, variant: str) -> str:
        """A weak ETag: equal for equal answers; `variant` holds the parameters of the question."""
        source = self.source
        shown = (self.frame.start, self.previous and self.previous.start, source.time_zone, source.masks_emails)
        return f'W/"{hashlib.sha256(repr((variant, shown, tuple(version))).encode()).hexdigest()[:32]}"'


async def read_version(conn: Connection, question: Question) -> Version:
    """Read the version that an answer would have now, without the answer."""
    bound = question.parameters()
    if Origin.BOARD in question.origins:
        statement = select_board_version(compared=question.previous is not None)
        version = await first_hot_row(conn, statement, bound, Version)
        if version is not None:
            return version
    version = await first_hot_row(conn, SELECT_SOURCE_VERSION, bound, Version)
    if version is None:
        raise UnknownSource
    return version


async def from_first_origin(
    database: Database,
    question: Question,
    read: Callable[[Connection, Sequence[Origin]], Awaitable[Answered | None]],
    before_orders: Callable[[], Awaitable[None]] | None = None,
) -> Answered:
    """What `read` returns from the first origin that has an answer; the orders have a pool of their own."""
    answer = None
    if question.boards:
        async with database.read() as conn:
            answer = await read(conn, question.boards)
    if answer is None:
        if before_orders is not None:
            await before_orders()
        async with database.answer() as conn:
            answer = await read(conn, (Origin.ORDERS,))
    if answer is None:
        raise UnknownSource
    return answer


async def asked_source(
    sources: RememberedSources, database: Database, caller: Caller, audience: str, source: str
) -> Source:
    """The source, if the caller may see it and it belongs to that audience."""
    found = await sources.read_for(database, caller, known_id("src", source, UnknownSource))
    if found.audience_id != row_id("aud", audience):
        raise UnknownSource(Sentence("This account has no such source in that audience."))
    return found


def known_id(prefix: str, text: str, unknown: type[NotFound]) -> int:
    """The row behind a public id; raises `unknown` when the text is not such an id."""
    number = row_id(prefix, text)
    if number is None:
        raise unknown
    return number


def resolved_as_of(as_of: datetime | None, now: datetime) -> datetime:
    """The instant that is asked for, now by default; it may lie in the future by the allowed skew of clocks only."""
    if as_of is None:
        return now
    if not HISTORY_BEGINS + timedelta(days=800) <= as_of <= now + CLOCK_SKEW:
        raise InvalidRequest(errors=[invalid_parameter("as_of", Sentence("Give an instant between 1902 and now."))])
    return min(as_of, now)


def invalid_parameter(name: str, detail: Sentence) -> FieldError:
    """The error of a query parameter, for InvalidRequest."""
    return {"in": "query", "pointer": f"#/{name}", "code": f"invalid_{name}", "detail": detail}


def frame_parameters(frame: Frame, prefix: str = "") -> dict[str, Any]:
    """An interval, and the board that may hold it."""
    bound: dict[str, Any] = {f"{prefix}start": frame.start, f"{prefix}before": frame.before}
    if frame.period is not None:
        bound |= {
            f"{prefix}kind": frame.period.kind.value,
            f"{prefix}board_start": frame.period.start,
            f"{prefix}until": frame.period.counted_until,
        }
    return bound
