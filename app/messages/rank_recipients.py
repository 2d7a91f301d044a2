"""Ranking recipients: the place that a template may tell each of them."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from app.boards import ask_store
from app.boards import source as source_statements
from app.boards.source import Source
from app.database.pools import Connection
from app.leaderboard.ranking import Metric
from app.messages import correspondence
from app.messages.ranks import ranks
from app.messages.schemas import Wording
from app.periods import TimeFrame, named_frame


@dataclass(frozen=True, slots=True)
class Board:
    """What customers are ranked by, and over which time."""

    metric: Metric = Metric.SPEND
    time_frame: TimeFrame = TimeFrame.LAST_MONTH


THE_USUAL = Board()
"""What GET /leaderboard shows to who asks for nothing else."""


@dataclass(frozen=True, slots=True)
class Place:
    """A place on a board."""

    rank: int
    board: Board


async def places_of(
    conn: Connection,
    account_id: int,
    customers: Sequence[int],
    wording: Wording,
    now: datetime,
    board: Board = THE_USUAL,
) -> dict[int, Place]:
    """The place of each customer who has one; of none where the wording cannot tell it.

    While an import is under way no board can answer, and a message does without.
    """
    if wording.template is None and not wording.personalise:
        return {}
    found = await conn.execute(correspondence.RECIPIENTS, {"account_id": account_id, "customers": list(customers)})
    by_source: dict[int, list[int]] = defaultdict(list)
    for row in found:
        by_source[row.source_id].append(row.id)
    places: dict[int, Place] = {}
    for source_id, some in by_source.items():
        source = Source(*(await conn.execute(source_statements.one(account_id, source_id))).one())
        frame = named_frame(board.time_frame, now, source.calendar)
        bound = source.key | ask_store.frame_parameters(frame) | {"customers": some}
        if frame.period is not None:
            rows = await conn.execute(ranks(board.metric), bound)
            places |= {row.customer_id: Place(row.rank, board) for row in rows}
    return places
