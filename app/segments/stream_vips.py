"""Streaming VIPs: every member of one moment, some at a time."""

from collections.abc import AsyncGenerator, Sequence
from typing import Any

from app.database.pools import Database
from app.forms import CSV, comma_separated, json_lines
from app.segments import vips
from app.segments.read_vips import Question, read_version
from app.segments.vips import Criteria

ROWS_AT_ONCE = 1_000


async def rows(
    database: Database, question: Question, criteria: Criteria, *, as_json: bool
) -> AsyncGenerator[Sequence[Any], None]:
    """All members."""
    async with database.snapshot() as conn:
        live = (await read_version(conn, question)).live
        statement = vips.whole_segment(criteria, live=live, as_json=as_json)
        result = await conn.stream(statement, question.parameters())
        async for some in result.partitions(ROWS_AT_ONCE):
            yield some


def written(database: Database, question: Question, criteria: Criteria, form: str) -> AsyncGenerator[bytes, None]:
    """All members in this form."""
    if form != CSV:
        return json_lines(rows(database, question, criteria, as_json=True))
    return comma_separated(vips.FILE_COLUMNS, rows(database, question, criteria, as_json=False))
