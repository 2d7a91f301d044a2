"""Conditional answers: 304, a page or a file, the same way for every list about a store's figures.

A client that has the current version gets 304 before anything is read. A page is JSON with an ETag and a link to the
next page; the whole list is a file, streamed in constant memory.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Any, NamedTuple

from fastapi import Request, Response
from sqlalchemy import TextClause

from app.boards.questions import Question, Version, read_version
from app.database.pools import Connection, Database
from app.forms import CACHING, CSV, JSON, comma_separated, json_lines, not_modified, streamed
from app.wire.pages import next_link

ROWS_AT_ONCE = 1_000


class Answer(NamedTuple):
    """An answer as JSON, the version that it was made of, and the cursor of the next page."""

    body: bytes
    version: Version
    cursor: str | None = None


class File(NamedTuple):
    """How a whole list is written: `statement(live=…, as_json=…)` selects its rows."""

    name: str
    header: Sequence[str]
    statement: Callable[..., TextClause]


async def answer_conditionally(
    request: Request,
    database: Database,
    question: Question,
    variant: str,
    read: Callable[[Connection], Awaitable[Answer]],
) -> Response:
    """Return 304 when the client has the current version, else the answer of `read`.

    `variant` holds the parameters of the question, so that answers to different questions have different ETags.
    """
    async with database.read() as conn:
        if "if-none-match" in request.headers:
            tag = question.etag(await read_version(conn, question), variant)
            unchanged = not_modified(request, tag)
            if unchanged is not None:
                return unchanged
        answer = await read(conn)
    headers = {"ETag": question.etag(answer.version, variant), **CACHING}
    if answer.cursor is not None:
        headers["Link"] = next_link(request, answer.cursor)
    return Response(answer.body, media_type=JSON, headers=headers)


async def answer_with_file(database: Database, question: Question, form: str, file: File) -> Response:
    """The whole list as CSV or NDJSON."""
    rows = _rows(database, question, file, as_json=form != CSV)
    parts = comma_separated(file.header, rows) if form == CSV else json_lines(rows)
    return await streamed(parts, form, file.name)


async def _rows(
    database: Database, question: Question, file: File, *, as_json: bool
) -> AsyncGenerator[Sequence[Any], None]:
    """All rows, as they were at one moment."""
    async with database.snapshot() as conn:
        version = await read_version(conn, question)
        boards = {"board_id": version.board_id, "previous_board_id": version.previous_board_id}
        statement = file.statement(live=version.board_id is not None, as_json=as_json)
        result = await conn.stream(statement, question.parameters() | boards)
        async for some in result.partitions(ROWS_AT_ONCE):
            yield some
