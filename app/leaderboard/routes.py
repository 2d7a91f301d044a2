"""Leaderboard routes: the product."""

import hashlib
import json
from dataclasses import astuple
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from app.accounts.access import DirectRoute, GuardedRoute, KeyRequired, Reader, ScopeRequired
from app.boards.answers import Way
from app.boards.ask_store import asked_source, invalid, known_id, past
from app.boards.source import UnknownSource
from app.database.pools import Connection, Pools, ReadConn
from app.forms import CACHING, CSV, JSON, NDJSON, documented_forms, known_as, matches, preferred, streamed
from app.leaderboard.connected import connected
from app.leaderboard.options import MOST_STORES, offered
from app.leaderboard.read_board import (
    Asked,
    Page,
    Place,
    Question,
    find_place,
    read_page,
    read_version,
    resolve,
)
from app.leaderboard.schemas import Board, BoardQuery, Options
from app.leaderboard.stream_board import written
from app.periods import TimeFrame
from app.problems import InvalidRequest, NotAcceptable, NotFound, documented
from app.wire.ids import public_id
from app.wire.instants import Now, local_rfc3339, rfc3339
from app.wire.pages import InvalidCursor, next_link, seal, unseal
from app.words import Language, language_of

router = APIRouter(route_class=GuardedRoute, tags=["leaderboard"])
hot = APIRouter(route_class=DirectRoute, tags=["leaderboard"])

ACCEPT_LANGUAGE = {
    "name": "Accept-Language",
    "in": "header",
    "required": False,
    "description": f"{', '.join(Language)}; a region counts as its language, and English is the fallback",
    "schema": {"type": "string"},
    "example": "de-CH, de;q=0.9, en;q=0.5",
}


class CustomerNotRanked(NotFound):
    """This customer is not on that board: no purchase in the frame, or no such customer."""

    slug = "customer-not-ranked"
    title = "Not on this board"


@hot.get(
    "/leaderboard",
    operation_id="readLeaderboard",
    response_model=Board,
    responses={
        **documented_forms("One page as JSON, or the whole board as CSV or NDJSON by Accept."),
        **documented(
            KeyRequired, ScopeRequired, UnknownSource, CustomerNotRanked, InvalidCursor, NotAcceptable, InvalidRequest
        ),
    },
)
async def read_leaderboard(
    query: Annotated[BoardQuery, Query()], request: Request, caller: Reader, database: Pools, now: Now
) -> Response:
    """Rank a store's customers over a time frame, best first."""
    form = preferred(request.headers.get("accept", ""), (JSON, CSV, NDJSON))
    source = await asked_source(request, database, caller, query.audience, query.source)
    binding = query.model_dump_json(exclude={"limit", "cursor", "around"})
    position = unseal(caller.cursor_secret, binding, query.cursor) if query.cursor else None
    as_of = datetime.fromisoformat(position[0]) if position else past(query.as_of, now)
    asked = Asked(query.rank_by, query.time_frame, as_of, query.start, query.end, query.compare)
    question = resolve(source, asked)
    if question.frame.start > question.frame.end:
        raise InvalidRequest(errors=[invalid("start", "must be before end")])
    if form != JSON:
        return await streamed(written(database, question, form), form, "leaderboard")
    variant = f"{binding}{query.limit}{query.around}{query.cursor}"
    async with database.read() as conn:
        if "if-none-match" in request.headers:
            unchanged = known_as(request, question.etag(await read_version(conn, question), variant))
            if unchanged is not None:
                return unchanged
        place = Place(*position[1:]) if position else None
        page = await answered(conn, question, query, place)
    cursor = sealed(caller.cursor_secret, binding, as_of, page.following)
    headers = {"ETag": question.etag(page.version, variant), **CACHING}
    if cursor is not None:
        headers["Link"] = next_link(request, cursor)
    return Response(body_of(question, page, cursor), media_type=JSON, headers=headers)


@router.get(
    "/leaderboard/options",
    operation_id="readLeaderboardOptions",
    response_model=Options,
    responses={
        200: {"headers": {"Content-Language": {"schema": {"type": "string", "enum": [*Language]}}}},
        304: {"description": "The options are as your ETag says."},
        **documented(KeyRequired, ScopeRequired),
    },
    openapi_extra={"parameters": [ACCEPT_LANGUAGE]},
)
async def read_options(request: Request, caller: Reader, conn: ReadConn) -> Response:
    """Give what the drop-downs offer: at most 1,000 sources in their audiences, metrics and time frames, labelled."""
    language = language_of(request.headers)
    rows = (await conn.execute(connected(caller.account_id, MOST_STORES + 1))).all()
    body = offered(rows, language).model_dump_json().encode()
    tag = f'W/"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Content-Language": language, **CACHING}
    if matches(request.headers.get("if-none-match", ""), tag):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=JSON, headers=headers)


async def answered(conn: Connection, question: Question, query: BoardQuery, place: Place | None) -> Page:
    """The page from the board if it can answer, else from the orders."""
    around = None if place or query.around is None else known_id("cus", query.around, CustomerNotRanked)
    for way in question.ways:
        begin = place
        if around is not None and way is Way.LATE_BOARD:
            continue
        if around is not None:
            live = way is Way.BOARD
            found = await find_place(conn, question, limit=query.limit, customer_id=around, live=live)
            if found is None:
                continue
            ranked, begin = found
            if not ranked:
                raise CustomerNotRanked
        page = await read_page(conn, question, way, limit=query.limit, place=begin)
        if page is not None:
            return page
    raise UnknownSource


def sealed(secret: bytes, binding: str, as_of: datetime, place: Place | None) -> str | None:
    """The cursor of the next page; it carries the `as_of` of the first."""
    return seal(secret, binding, [as_of.isoformat(), *astuple(place)]) if place else None


def body_of(question: Question, page: Page, cursor: str | None) -> bytes:
    """The answer as bytes; the rows come from PostgreSQL as JSON and are not parsed again."""
    source, frame = question.source, question.frame
    zone = source.calendar.zone
    head = {
        "audience": public_id("aud", source.audience_id),
        "source": public_id("src", source.id),
        "rank_by": question.asked.metric,
        "time_frame": question.asked.time_frame,
        "start": None if question.asked.time_frame is TimeFrame.ALL_TIME else local_rfc3339(frame.start, zone),
        "end": local_rfc3339(frame.end, zone),
        "time_zone": source.time_zone,
        "as_of": rfc3339(question.asked.as_of),
        "currency": source.currency,
        "customers": page.customers,
        "number_of_purchases": page.purchases,
        "total_spend": page.spend,
    }
    return f'{json.dumps(head)[:-1]}, "items": {page.items}, "next_cursor": {json.dumps(cursor)}}}'.encode()
