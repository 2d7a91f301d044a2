"""Asking a store: what every question about its figures has in common.

Which store of which audience, until which instant, over which interval; by which way it can
be answered, and what the ETag of that answer is made of.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from fastapi import Request

from app.accounts.access import Caller
from app.boards import answers
from app.boards.answers import Way
from app.boards.remember_sources import Sources
from app.boards.source import Source, UnknownSource
from app.database.pools import Connection, Database
from app.periods import HISTORY_BEGINS, Frame
from app.problems import InvalidRequest, NotFound
from app.wire.ids import row_id
from app.wire.money import unit_of

CLOCK_SKEW = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Version:
    """What changes when an answer does: of the board that gives it, or of all the orders of the source."""

    live: bool
    parts: tuple[object, ...]

    def etag(self, *question: object) -> str:
        """A weak ETag: the same for every answer that says the same to this question."""
        return f'W/"{hashlib.sha256(repr([*question, self]).encode()).hexdigest()[:32]}"'


async def asked_source(request: Request, database: Database, caller: Caller, audience: str, source: str) -> Source:
    """The store, if it is the caller's and belongs to that audience."""
    sources: Sources = request.app.state.sources
    found = await sources.read(database, caller.account_id, known_id("src", source, UnknownSource))
    if found.audience_id != row_id("aud", audience):
        raise UnknownSource("This account has no such source in that audience.")
    return found


def known_id(prefix: str, text: str, unknown: type[NotFound]) -> int:
    """The row behind a public id; `unknown` when the text is none."""
    number = row_id(prefix, text)
    if number is None:
        raise unknown
    return number


def past(as_of: datetime | None, now: datetime) -> datetime:
    """The instant that is asked for: not in the future, but for the skew of clocks."""
    if as_of is None:
        return now
    if not HISTORY_BEGINS + timedelta(days=800) <= as_of <= now + CLOCK_SKEW:
        raise InvalidRequest(errors=[invalid("as_of", "must lie between 1902 and now")])
    return min(as_of, now)


def invalid(parameter: str, detail: str) -> dict[str, str]:
    """A query parameter that is not valid."""
    return {"in": "query", "pointer": f"#/{parameter}", "code": f"invalid_{parameter}", "detail": detail}


def source_parameters(source: Source) -> dict[str, Any]:
    """What every statement about a store's figures is bound to."""
    return source.key | {"unit": unit_of(source.digits), "currency": source.currency}


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


def ways(frame: Frame) -> tuple[Way, ...]:
    """The ways to answer over an interval, best first."""
    if frame.period is None:
        return (Way.ORDERS,)
    over = frame.before >= frame.period.counted_until
    return (Way.BOARD, Way.ORDERS) if over else (Way.BOARD, Way.LATE_BOARD, Way.ORDERS)


async def read_version(conn: Connection, bound: dict[str, Any], *, has_board: bool, compared: bool = False) -> Version:
    """What an answer would be made of now, without reading it."""
    if has_board:
        row = (await conn.execute(answers.board_versions(compared=compared), bound)).one_or_none()
        if row is not None:
            return Version(live=True, parts=tuple(row))
    row = (await conn.execute(answers.SOURCE_VERSION, bound)).one()
    return Version(live=False, parts=tuple(row))
