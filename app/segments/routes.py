"""Segment routes: the VIPs of a store, and what other thresholds would find."""

import json
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from app.accounts.access import GuardedRoute, KeyRequired, Reader, ScopeRequired
from app.boards.ask_store import asked_source, past
from app.boards.source import Source, UnknownSource
from app.database.pools import Pools
from app.forms import CACHING, CSV, JSON, NDJSON, documented_forms, known_as, preferred, streamed
from app.problems import InvalidRequest, NotAcceptable, documented
from app.segments.ask_vips import given, located, sealed
from app.segments.histogram import Bar
from app.segments.read_vips import (
    Page,
    Preview,
    Question,
    Totals,
    read_page,
    read_preview,
    read_version,
    resolve,
)
from app.segments.schemas import SegmentQuery, VipPreview, VipQuery, Vips
from app.segments.stream_vips import written
from app.wire.ids import public_id
from app.wire.instants import Now, local_rfc3339, rfc3339
from app.wire.money import decimal_string
from app.wire.pages import InvalidCursor, next_link

router = APIRouter(route_class=GuardedRoute, prefix="/segments", tags=["segments"])


@router.get(
    "/vip",
    operation_id="readVips",
    response_model=Vips,
    responses={
        **documented_forms("One page as JSON, or all members as CSV or NDJSON by Accept."),
        **documented(KeyRequired, ScopeRequired, UnknownSource, InvalidCursor, NotAcceptable, InvalidRequest),
    },
)
async def read_vips(
    query: Annotated[VipQuery, Query()], request: Request, caller: Reader, database: Pools, now: Now
) -> Response:
    """Find the customers of a store who buy more than its average buyer, now."""
    form = preferred(request.headers.get("accept", ""), (JSON, CSV, NDJSON))
    source = await asked_source(request, database, caller, query.audience, query.source)
    binding = query.model_dump_json(exclude={"limit", "cursor"})
    question, place = located(source, query, caller, binding, now)
    if form != JSON:
        return await streamed(written(database, question, query.criteria, form), form, "vips")
    variant = f"{binding}{query.limit}{query.cursor}"
    async with database.read() as conn:
        if "if-none-match" in request.headers:
            unchanged = known_as(request, question.etag(await read_version(conn, question), variant))
            if unchanged is not None:
                return unchanged
        page = await read_page(conn, question, query.criteria, limit=query.limit, place=place)
    cursor = sealed(caller, binding, question, page)
    headers = {"ETag": question.etag(page.totals.version, variant), **CACHING}
    if cursor is not None:
        headers["Link"] = next_link(request, cursor)
    return Response(body_of(question, query, page, cursor), media_type=JSON, headers=headers)


@router.get(
    "/vip/preview",
    operation_id="previewVips",
    response_model=VipPreview,
    responses={
        304: {"description": "It is as your ETag says."},
        **documented(KeyRequired, ScopeRequired, UnknownSource, InvalidRequest),
    },
)
async def preview_vips(
    query: Annotated[SegmentQuery, Query()], request: Request, caller: Reader, database: Pools, now: Now
) -> Response:
    """Tell how many customers thresholds would find, and how spend and orders are spread."""
    source = await asked_source(request, database, caller, query.audience, query.source)
    question = resolve(source, past(query.as_of, now), query.days, given(source, query))
    variant = f"preview{query.model_dump_json()}"
    async with database.read() as conn:
        if "if-none-match" in request.headers:
            unchanged = known_as(request, question.etag(await read_version(conn, question), variant))
            if unchanged is not None:
                return unchanged
        preview = await read_preview(conn, question)
    headers = {"ETag": question.etag(preview.totals.version, variant), **CACHING}
    return Response(json.dumps(preview_of(question, preview)), media_type=JSON, headers=headers)


def segment_of(question: Question, totals: Totals) -> dict[str, Any]:
    """What is true of the whole segment."""
    source, frame, thresholds = question.source, question.frame, totals.thresholds
    zone = source.calendar.zone
    mean_orders = totals.mean_orders_hundredths
    return {
        "audience": public_id("aud", source.audience_id),
        "source": public_id("src", source.id),
        "start": local_rfc3339(frame.start, zone),
        "end": local_rfc3339(frame.end, zone),
        "time_zone": source.time_zone,
        "as_of": rfc3339(question.as_of),
        "days": question.days,
        "currency": source.currency,
        "thresholds": {
            "min_spend": {
                "value": money(source, thresholds.min_spend),
                "suggested": question.given.min_spend is None,
            },
            "min_orders": {"value": thresholds.min_orders, "suggested": question.given.min_orders is None},
        },
        "averages": {
            "total_spend": money(source, totals.mean_spend),
            "number_of_purchases": None if mean_orders is None else decimal_string(mean_orders, 2),
        },
        "customers": totals.customers,
        "members_by_criteria": totals.members,
    }


def money(source: Source, minor: int | None) -> str | None:
    """An amount in the source's currency, or none."""
    return None if minor is None else decimal_string(minor, source.digits)


def body_of(question: Question, query: VipQuery, page: Page, cursor: str | None) -> bytes:
    """The answer as bytes; the rows come from PostgreSQL as JSON and are not parsed again."""
    head = segment_of(question, page.totals)
    head |= {"criteria": query.criteria, "members": page.totals.members[query.criteria]}
    return f'{json.dumps(head)[:-1]}, "items": {page.items}, "next_cursor": {json.dumps(cursor)}}}'.encode()


def preview_of(question: Question, preview: Preview) -> dict[str, Any]:
    """The answer to a preview."""

    def drawn(bar: Bar, *bounds: str | int | None) -> dict[str, Any]:
        return {"from": bounds[0], "to": bounds[1], "customers": bar.customers}

    source = question.source
    histograms = {
        "total_spend": [drawn(bar, money(source, bar.start), money(source, bar.end)) for bar in preview.spend],
        "number_of_purchases": [drawn(bar, bar.start, bar.end) for bar in preview.purchases],
    }
    return segment_of(question, preview.totals) | {"histograms": histograms}
