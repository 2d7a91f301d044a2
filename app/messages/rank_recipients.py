"""Ranking recipients: the board rank that a text may show each recipient."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import NamedTuple

from sqlalchemy import TextClause, text

from app.boards.answers import answering_board, rank_on_board
from app.boards.metrics import COLUMNS
from app.boards.questions import frame_parameters
from app.boards.source import Source, read_source
from app.database.pools import Connection
from app.database.rows import all_rows
from app.messages.schemas import Wording
from app.messages.statements import RecipientRow, select_recipients
from app.messages.writing.facts import Bought
from app.periods import TimeFrame, named_frame
from app.vocabulary import Metric
from app.wire.money import unit_of


@dataclass(frozen=True, slots=True)
class BoardChoice:
    """What customers are ranked by, and over which time."""

    metric: Metric = Metric.SPEND
    time_frame: TimeFrame = TimeFrame.LAST_MONTH


DEFAULT_BOARD = BoardChoice()
"""The board that GET /leaderboard shows by default."""


@dataclass(frozen=True, slots=True)
class BoardRank:
    """A rank, the board it is on, and what the customer bought in its time frame."""

    rank: int
    board: BoardChoice
    bought: Bought


class RankRow(NamedTuple):
    """A customer, their rank and their figures."""

    customer_id: int
    rank: int
    purchases: int
    spend: int


@cache
def select_ranks(metric: Metric) -> TextClause:
    """The ranks of those of the customers who are on the board of a frame, if it can answer."""
    rank = rank_on_board(board="s.board_id", metric=metric, value=f"s.{COLUMNS[metric]}")
    return text(f"""
        SELECT s.customer_id, {rank} AS rank, s.purchases, s.spend
        FROM ({answering_board()}) AS b
        JOIN standings AS s ON s.account_id = :account_id AND s.board_id = b.id
        WHERE s.customer_id = ANY(cast(:customers AS bigint[]))
    """)


async def ranks_of(
    conn: Connection,
    account_id: int,
    customers: Sequence[int],
    wording: Wording,
    now: datetime,
) -> dict[int, BoardRank]:
    """The rank of each customer who has one on the board of the wording; empty when the text shows no rank.

    While an import is running no board can answer, and messages are written without ranks.
    """
    if wording.template is None and not wording.personalise:
        return {}
    listed = {"account_id": account_id, "customers": list(customers)}
    found = await all_rows(conn, select_recipients(locked=False), listed, RecipientRow)
    by_source: dict[int, list[int]] = defaultdict(list)
    for row in found:
        by_source[row.source_id].append(row.id)
    board = board_of(wording)
    ranks: dict[int, BoardRank] = {}
    for source_id, some in by_source.items():
        source = await read_source(conn, account_id, source_id)
        frame = named_frame(board.time_frame, now, source.calendar)
        if frame.period is not None:
            bound = source.key | frame_parameters(frame) | {"customers": some}
            rows = await all_rows(conn, select_ranks(board.metric), bound, RankRow)
            ranks |= {row.customer_id: BoardRank(row.rank, board, _bought(row, source)) for row in rows}
    return ranks


def board_of(wording: Wording) -> BoardChoice:
    """The board that the wording takes ranks from."""
    chosen = wording.rank_from
    return DEFAULT_BOARD if chosen is None else BoardChoice(chosen.rank_by, chosen.time_frame)


def _bought(row: RankRow, source: Source) -> Bought:
    return Bought(row.purchases, row.spend * unit_of(source.digits), source.currency)
