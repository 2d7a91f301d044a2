"""Streaming a board: every row of one moment, some at a time."""

from collections.abc import AsyncGenerator, Sequence
from typing import Any

from app.database.pools import Database
from app.forms import CSV, comma_separated, json_lines
from app.leaderboard import listing
from app.leaderboard.read_board import Question, read_version

ROWS_AT_ONCE = 1_000


async def rows(database: Database, question: Question, *, as_json: bool) -> AsyncGenerator[Sequence[Any], None]:
    """All rows of the board."""
    async with database.snapshot() as conn:
        version = await read_version(conn, question)
        bound = question.parameters()
        if version.live:
            bound["board_id"], _, _, *previous = version.parts
            bound["previous_board_id"] = previous[0] if previous else None
        asked = question.asked
        statement = listing.whole_board(asked.metric, live=version.live, compare=asked.compare, as_json=as_json)
        result = await conn.stream(statement, bound)
        async for some in result.partitions(ROWS_AT_ONCE):
            yield some


def written(database: Database, question: Question, form: str) -> AsyncGenerator[bytes, None]:
    """The whole board in this form."""
    if form != CSV:
        return json_lines(rows(database, question, as_json=True))
    header = (*listing.COLUMNS, *listing.COMPARED_COLUMNS[question.asked.compare])
    return comma_separated(header, rows(database, question, as_json=False))
