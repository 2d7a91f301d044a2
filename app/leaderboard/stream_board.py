"""Streaming a board: every row, in constant memory, as CSV or as one JSON object a line."""

import csv
import io
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from app.database import Database
from app.leaderboard import listing
from app.leaderboard.read_board import Question, read_version

ROWS_AT_ONCE = 1_000
FORMULA_LEADS = ("=", "+", "-", "@", "\t", "\r", "\n", "\0")
"""A cell that begins so is run as a formula by spreadsheets."""


async def rows(database: Database, question: Question, *, as_json: bool) -> AsyncGenerator[Sequence[Any], None]:
    """All rows of one moment, some at a time."""
    async with database.snapshot() as conn:
        version = await read_version(conn, question)
        compared = question.previous is not None
        bound = question.parameters()
        if version.live:
            bound["board_id"], _, _, *previous = version.parts
            bound["previous_board_id"] = previous[0] if previous else None
        statement = listing.whole_board(question.asked.metric, live=version.live, compared=compared, as_json=as_json)
        result = await conn.stream(statement, bound)
        async for some in result.partitions(ROWS_AT_ONCE):
            yield some


async def ndjson(database: Database, question: Question) -> AsyncGenerator[bytes, None]:
    """One JSON object a line."""
    async for some in rows(database, question, as_json=True):
        yield "".join(f"{row[0]}\n" for row in some).encode()


async def comma_separated(database: Database, question: Question) -> AsyncGenerator[bytes, None]:
    """CSV with a header; text that a spreadsheet would run is defused with an apostrophe."""
    compared = question.previous is not None
    lines = io.StringIO()
    writer = csv.writer(lines)
    writer.writerow([*listing.COLUMNS, *(listing.COMPARED_COLUMNS if compared else ())])
    async for some in rows(database, question, as_json=False):
        for row in some:
            cells = [defused(cell) for cell in row]
            writer.writerow([*cells[:10], question.source.currency, *row[10:]])
        yield lines.getvalue().encode()
        lines.seek(0)
        lines.truncate()
    yield lines.getvalue().encode()


def defused(cell: object) -> object:
    """Text that no spreadsheet runs; booleans as JSON writes them."""
    if isinstance(cell, str) and cell.startswith(FORMULA_LEADS):
        return f"'{cell}"
    return str(cell).lower() if isinstance(cell, bool) else cell
