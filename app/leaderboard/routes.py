"""Leaderboard routes: the board, and what its drop-downs offer."""

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from app.accounts.access import BoardReader
from app.accounts.guarded_route import DirectRoute, GuardedRoute
from app.boards.answers import Origin
from app.boards.conditional import (
    FACTS,
    Answer,
    File,
    FilesOfService,
    answer_conditionally,
    answer_with_file,
    refuse_pages,
)
from app.boards.questions import asked_source, invalid_parameter, known_id, resolved_as_of
from app.boards.source import RememberedSources, Source, UnknownSource
from app.database.pools import Connection, Pools, ReadConn
from app.database.rows import all_rows
from app.forms import (
    CACHING,
    CSV,
    FORMS,
    JSON,
    NDJSON,
    UNCHANGED,
    documented_file,
    documented_headers,
    not_modified,
    preferred,
)
from app.leaderboard.options import MOST_STORES, OfferedRow, offered
from app.leaderboard.read_board import BoardQuestion, CustomerNotRanked, Page, PageStart, read_page, resolve
from app.leaderboard.schemas import ROWS_EXAMPLE, Board, BoardAsked, BoardFileQuery, BoardQuery, Options
from app.leaderboard.statements import SELECT_AUDIENCES_WITH_SOURCES, file_header, select_whole_board
from app.periods import TimeFrame
from app.problems import InvalidRequest, NotAcceptable, documented
from app.wire.ids import public_id
from app.wire.instants import Now, local_rfc3339, rfc3339
from app.wire.pages import open_cursor, seal_cursor
from app.words import Language, Sentence, language_of

router = APIRouter(route_class=GuardedRoute, tags=["leaderboard"])
hot = APIRouter(route_class=DirectRoute, tags=["leaderboard"])

BOARD_FILE_EXAMPLES = {
    CSV: f"{','.join(file_header(None))}\r\n"
    "1,cus_900042,00042,Ada Lovelace,ada@example.test,true,7,913.40,130.49,2026-10-30T11:02:00Z,EUR\r\n",
    NDJSON: "".join(f"{json.dumps(row)}\n" for row in ROWS_EXAMPLE),
}

ACCEPT_LANGUAGE = {
    "name": "Accept-Language",
    "in": "header",
    "required": False,
    "description": f"{', '.join(Language)}; a region counts as its language, and English is the fallback",
    "schema": {"type": "string"},
    "example": "de-CH, de;q=0.9, en;q=0.5",
}


@hot.get(
    "/leaderboard",
    operation_id="readLeaderboard",
    response_model=Board,
    responses={**UNCHANGED, **documented(UnknownSource, CustomerNotRanked, NotAcceptable)},
)
async def read_leaderboard(
    query: Annotated[BoardQuery, Query()],
    request: Request,
    caller: BoardReader,
    database: Pools,
    sources: RememberedSources,
    files: FilesOfService,
    now: Now,
) -> Response:
    """Rank a store's customers over a time frame, best first.

    With `Accept: text/csv` or `application/x-ndjson` the answer is the file of `GET /leaderboard/export`.
    """
    form = preferred(request.headers.get("accept", ""), FORMS)
    if form != JSON:
        refuse_pages(request)
    source = await asked_source(sources, database, caller, query.audience, query.source)
    binding = query.model_dump_json(exclude={"limit", "cursor", "around"})
    start: PageStart | None = None
    if query.cursor is None:
        as_of = resolved_as_of(query.as_of, now)
    else:
        first_as_of, *position = open_cursor(caller.cursor_secret, binding, query.cursor)
        as_of, start = datetime.fromisoformat(first_as_of), PageStart(*position)
    question = question_of(query, source, as_of)
    if form != JSON:
        return await answer_with_file(request, database, files, question, form, board_file(question), binding)

    async def read(conn: Connection, origins: Sequence[Origin]) -> Answer | None:
        around = None if query.around is None else known_id("cus", query.around, CustomerNotRanked)
        page = await read_page(conn, question, limit=query.limit, start=start, around=around, origins=origins)
        if page is None:
            return None
        cursor = None
        if page.next_start is not None:
            cursor = seal_cursor(caller.cursor_secret, binding, [as_of.isoformat(), *page.next_start])
        return Answer(body_of(question, page, cursor), page.version, cursor)

    variant = f"{binding}{query.limit}{query.around}{query.cursor}"
    return await answer_conditionally(request, database, question, variant, read)


@router.get(
    "/leaderboard/export",
    operation_id="exportLeaderboard",
    response_class=Response,
    responses={
        **documented_file("All rows of the board.", BOARD_FILE_EXAMPLES, headers=FACTS),
        **UNCHANGED,
        **documented(UnknownSource),
    },
)
async def export_leaderboard(
    query: Annotated[BoardFileQuery, Query()],
    request: Request,
    caller: BoardReader,
    database: Pools,
    sources: RememberedSources,
    files: FilesOfService,
    now: Now,
) -> Response:
    """Write a whole board to a file, all rows as they were at one moment; it counts as an expensive read."""
    source = await asked_source(sources, database, caller, query.audience, query.source)
    question = question_of(query, source, resolved_as_of(query.as_of, now))
    binding = query.model_dump_json(exclude={"format"})
    return await answer_with_file(
        request, database, files, question, query.format.media_type, board_file(question), binding
    )


def question_of(query: BoardAsked, source: Source, as_of: datetime) -> BoardQuestion:
    """The question with its intervals; InvalidRequest when it begins after its end."""
    question = resolve(
        source, query.rank_by, query.time_frame, as_of, start=query.start, end=query.end, compare=query.compare
    )
    if question.frame.start > question.frame.end:
        raise InvalidRequest(errors=[invalid_parameter("start", Sentence("Give a start that lies before end."))])
    return question


def board_file(question: BoardQuestion) -> File:
    """The whole board as a file."""
    statement = partial(select_whole_board, question.metric, compare=question.compare)
    return File("leaderboard", file_header(question.compare), statement)


def body_of(question: BoardQuestion, page: Page, cursor: str | None) -> bytes:
    """The answer as bytes; the rows come from PostgreSQL as JSON and are not parsed again."""
    source, frame = question.source, question.frame
    zone = source.calendar.zone
    head = {
        "audience": public_id("aud", source.audience_id),
        "source": public_id("src", source.id),
        "rank_by": question.metric,
        "time_frame": question.time_frame,
        "start": None if question.time_frame is TimeFrame.ALL_TIME else local_rfc3339(frame.start, zone),
        "end": local_rfc3339(frame.end, zone),
        "time_zone": source.time_zone,
        "as_of": rfc3339(question.as_of),
        "currency": source.currency,
        "customers": page.customers,
        "number_of_purchases": page.purchases,
        "total_spend": page.spend,
    }
    return f'{json.dumps(head)[:-1]}, "items": {page.items}, "next_cursor": {json.dumps(cursor)}}}'.encode()


@router.get(
    "/leaderboard/options",
    operation_id="readLeaderboardOptions",
    response_model=Options,
    responses={
        **documented_headers(200, "Content-Language"),
        **UNCHANGED,
    },
    openapi_extra={"parameters": [ACCEPT_LANGUAGE]},
)
async def read_options(request: Request, caller: BoardReader, conn: ReadConn) -> Response:
    """List what a leaderboard can be asked for: audiences with their sources, metrics and time frames, labelled.

    To a browser token these are the sources that it names.
    """
    language = language_of(request.headers)
    asked = {"account_id": caller.account_id, "sources": caller.named_sources, "limit": MOST_STORES + 1}
    rows = await all_rows(conn, SELECT_AUDIENCES_WITH_SOURCES, asked, OfferedRow)
    body = offered(rows, language).model_dump_json().encode()
    tag = f'W/"{hashlib.sha256(body).hexdigest()[:32]}"'
    unchanged = not_modified(request, tag)
    response = unchanged or Response(body, media_type=JSON, headers={"ETag": tag, **CACHING})
    response.headers["Content-Language"] = language
    return response
