"""Conditional answers: 304, a page or a file, the same way for every list about a store's figures.

A client that has the current version gets 304 before anything is read. A page is JSON with an ETag and a link to the
next page. The whole list is a file: it is read in constant memory to a temporary file and sent from there, so that no
connection waits for a slow client.
"""

from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Annotated, Any, NamedTuple

from fastapi import Request, Response
from sqlalchemy import TextClause

from app.accounts.access import count_expensive_read
from app.boards.answers import Origin
from app.boards.questions import Question, Version, from_first_origin, invalid_parameter, read_version
from app.database.pools import Connection, Database
from app.forms import CACHING, CSV, JSON, comma_separated, json_lines, not_modified, spooled
from app.problems import InvalidRequest, ServiceUnavailable, TooManyRequests
from app.services import provided
from app.wire.ids import public_id
from app.wire.instants import local_rfc3339, rfc3339
from app.wire.pages import next_link
from app.words import Sentence

ROWS_AT_ONCE = 1_000
MOST_FILES_OF_AN_ACCOUNT = 2
MOST_FILES = 8
FACTS = ("ETag", "X-As-Of", "X-Start", "X-End", "X-Time-Zone", "X-Currency")
"""The headers of a file."""
PAGE_PARAMETERS = ("limit", "cursor", "around")


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
    read: Callable[[Connection, Sequence[Origin]], Awaitable[Answer | None]],
) -> Response:
    """Return 304 when the client has the current version, else the answer of `read` from the first origin that has one.

    `variant` holds the parameters of the question, so that answers to different questions have different ETags.
    """
    unchanged = await _unchanged(request, database, question, variant)
    if unchanged is not None:
        return unchanged
    answer = await from_first_origin(database, question, read, partial(count_expensive_read, request))
    headers = {"ETag": question.etag(answer.version, variant), **CACHING}
    if answer.cursor is not None:
        headers["Link"] = next_link(request, answer.cursor)
    return Response(answer.body, media_type=JSON, headers=headers)


async def _unchanged(request: Request, database: Database, question: Question, variant: str) -> Response | None:
    """304 when the client has the current version; no version is read for a client that has none."""
    if "if-none-match" not in request.headers:
        return None
    async with database.read() as conn:
        version = await read_version(conn, question)
    return not_modified(request, question.etag(version, variant))


class OpenFiles:
    """The files that are being read or sent: a few for each account, some more in all."""

    def __init__(self) -> None:
        """No file is open."""
        self._open: Counter[int] = Counter()

    @contextmanager
    def opened(self, account_id: int) -> Iterator[None]:
        """Count a file of the account until the block ends; a problem when too many are open."""
        if self._open[account_id] >= MOST_FILES_OF_AN_ACCOUNT:
            raise TooManyRequests(Sentence("This account has too many files under way; wait for one of them to end."))
        if self._open.total() >= MOST_FILES:
            raise ServiceUnavailable(Sentence("Too many files are under way; try again later."), retry_after_seconds=30)
        self._open[account_id] += 1
        try:
            yield
        finally:
            self._open[account_id] -= 1
            self._open = +self._open


FilesOfService = Annotated[OpenFiles, provided(OpenFiles)]


async def answer_with_file(
    request: Request, database: Database, files: OpenFiles, question: Question, form: str, file: File, variant: str
) -> Response:
    """The whole list as CSV or NDJSON, all of it as it was at one moment; 304 when the client has it already."""
    unchanged = await _unchanged(request, database, question, f"{variant}{form}")
    if unchanged is not None:
        return unchanged
    await count_expensive_read(request)
    versions: list[Version] = []
    rows = _rows(database, question, file, versions, as_json=form != CSV)
    parts = comma_separated(file.header, rows) if form == CSV else json_lines(rows)
    opened = files.opened(question.source.account_id)
    day = question.as_of.astimezone(question.source.calendar.zone).date()

    def headers() -> dict[str, str]:
        return facts_of(question) | {"ETag": question.etag(versions[-1], f"{variant}{form}")}

    return await spooled(parts, opened, form, f"{file.name}-{public_id('src', question.source.id)}-{day}", headers)


def refuse_pages(request: Request) -> None:
    """InvalidRequest when a file is asked for with parameters of a page."""
    given = [name for name in PAGE_PARAMETERS if name in request.query_params]
    if given:
        detail = Sentence("Leave this out: a file holds the whole list.")
        raise InvalidRequest(errors=[invalid_parameter(name, detail) for name in given])


def facts_of(question: Question) -> dict[str, str]:
    """What a file says of itself in headers, as a page does in its body."""
    zone = question.source.calendar.zone
    return {
        "X-As-Of": rfc3339(question.as_of),
        "X-Start": local_rfc3339(question.frame.start, zone),
        "X-End": local_rfc3339(question.frame.end, zone),
        "X-Time-Zone": question.source.time_zone,
        "X-Currency": question.source.currency,
    }


async def _rows(
    database: Database, question: Question, file: File, versions: list[Version], *, as_json: bool
) -> AsyncGenerator[Sequence[Any], None]:
    """All rows, as they were at one moment, whose version is added to `versions`."""
    async with database.snapshot() as conn:
        version = await read_version(conn, question)
        versions.append(version)
        boards = {"board_id": version.board_id, "previous_board_id": version.previous_board_id}
        statement = file.statement(live=version.board_id is not None, as_json=as_json)
        result = await conn.stream(statement, question.parameters() | boards)
        async for some in result.partitions(ROWS_AT_ONCE):
            yield some
