"""Segment routes: the VIPs of a store, and what other thresholds would find."""

import json
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from app.accounts.access import VipReader
from app.accounts.guarded_route import GuardedRoute
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
from app.boards.questions import asked_source, resolved_as_of
from app.boards.source import RememberedSources, Source, UnknownSource
from app.database.pools import Connection, Pools
from app.forms import CSV, FORMS, JSON, NDJSON, UNCHANGED, documented_file, preferred
from app.problems import NotAcceptable, documented
from app.segments.ask_vips import ask_vips, given_limits, next_vip_cursor
from app.segments.histogram import Bar
from app.segments.read_vips import (
    Spread,
    Totals,
    VipPage,
    VipQuestion,
    read_spread,
    read_vip_page,
    resolve_vips,
)
from app.segments.schemas import VIP_EXAMPLE, SegmentQuery, VipFileQuery, VipPreview, VipQuery, Vips
from app.segments.statements import SEGMENT_HEADER, Criteria, select_whole_segment
from app.wire.ids import public_id
from app.wire.instants import Now, local_rfc3339, rfc3339
from app.wire.money import decimal_string

router = APIRouter(route_class=GuardedRoute, prefix="/segments", tags=["segments"])

VIP_FILE_EXAMPLES = {
    CSV: f"{','.join(SEGMENT_HEADER)}\r\n"
    "cus_900042,00042,Ada Lovelace,ada@example.test,true,7,913.40,130.49,2026-10-30T11:02:00Z,EUR,true,true\r\n",
    NDJSON: f"{json.dumps(VIP_EXAMPLE)}\n",
}


@router.get(
    "/vip",
    operation_id="readVips",
    response_model=Vips,
    responses={**UNCHANGED, **documented(UnknownSource, NotAcceptable)},
)
async def read_vips(
    query: Annotated[VipQuery, Query()],
    request: Request,
    caller: VipReader,
    database: Pools,
    sources: RememberedSources,
    files: FilesOfService,
    now: Now,
) -> Response:
    """Find a store's VIPs: the customers whose spend or number of purchases is above a threshold.

    With `Accept: text/csv` or `application/x-ndjson` the answer is the file of `GET /segments/vip/export`.
    """
    form = preferred(request.headers.get("accept", ""), FORMS)
    if form != JSON:
        refuse_pages(request)
    source = await asked_source(sources, database, caller, query.audience, query.source)
    binding = query.model_dump_json(exclude={"limit", "cursor"})
    question, start = ask_vips(source, query, caller, binding, now)
    if form != JSON:
        return await answer_with_file(request, database, files, question, form, vip_file(query.criteria), binding)

    async def read(conn: Connection, origins: Sequence[Origin]) -> Answer | None:
        page = await read_vip_page(conn, question, query.criteria, limit=query.limit, start=start, origins=origins)
        if page is None:
            return None
        cursor = next_vip_cursor(caller, binding, question, page)
        return Answer(body_of_page(question, query, page, cursor), page.totals.version, cursor)

    return await answer_conditionally(request, database, question, f"{binding}{query.limit}{query.cursor}", read)


@router.get(
    "/vip/export",
    operation_id="exportVips",
    response_class=Response,
    responses={
        **documented_file("All VIPs.", VIP_FILE_EXAMPLES, headers=FACTS),
        **UNCHANGED,
        **documented(UnknownSource),
    },
)
async def export_vips(
    query: Annotated[VipFileQuery, Query()],
    request: Request,
    caller: VipReader,
    database: Pools,
    sources: RememberedSources,
    files: FilesOfService,
    now: Now,
) -> Response:
    """Write all of a store's VIPs to a file, as they were at one moment; it counts as an expensive read."""
    source = await asked_source(sources, database, caller, query.audience, query.source)
    question = resolve_vips(source, resolved_as_of(query.as_of, now), query.days, given_limits(source, query))
    binding = query.model_dump_json(exclude={"format"})
    form, file = query.format.media_type, vip_file(query.criteria)
    return await answer_with_file(request, database, files, question, form, file, binding)


def vip_file(criteria: Criteria) -> File:
    """All VIPs as a file."""
    return File("vips", SEGMENT_HEADER, partial(select_whole_segment, criteria))


@router.get(
    "/vip/preview",
    operation_id="previewVips",
    response_model=VipPreview,
    responses={**UNCHANGED, **documented(UnknownSource)},
)
async def preview_vips(
    query: Annotated[SegmentQuery, Query()],
    request: Request,
    caller: VipReader,
    database: Pools,
    sources: RememberedSources,
    now: Now,
) -> Response:
    """Count the customers that other thresholds would find, and show how spend and orders are spread."""
    source = await asked_source(sources, database, caller, query.audience, query.source)
    question = resolve_vips(source, resolved_as_of(query.as_of, now), query.days, given_limits(source, query))

    async def read(conn: Connection, origins: Sequence[Origin]) -> Answer | None:
        spread = await read_spread(conn, question, origins)
        if spread is None:
            return None
        return Answer(json.dumps(preview_of(question, spread)).encode(), spread.totals.version)

    return await answer_conditionally(request, database, question, f"preview{query.model_dump_json()}", read)


def segment_of(question: VipQuestion, totals: Totals) -> dict[str, Any]:
    """The totals of a whole segment, as they are shown."""
    source, frame, limits = question.source, question.frame, totals.limits
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
                "value": money(source, limits.min_spend),
                "suggested": question.given.min_spend is None,
            },
            "min_orders": {"value": limits.min_orders, "suggested": question.given.min_orders is None},
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


def body_of_page(question: VipQuestion, query: VipQuery, page: VipPage, cursor: str | None) -> bytes:
    """The answer as bytes; the rows come from PostgreSQL as JSON and are not parsed again."""
    head = segment_of(question, page.totals)
    head |= {"criteria": query.criteria, "members": page.totals.members[query.criteria]}
    return f'{json.dumps(head)[:-1]}, "items": {page.items}, "next_cursor": {json.dumps(cursor)}}}'.encode()


def preview_of(question: VipQuestion, spread: Spread) -> dict[str, Any]:
    """The answer to a preview."""

    def drawn(bar: Bar, *bounds: str | int | None) -> dict[str, Any]:
        return {"from": bounds[0], "to": bounds[1], "customers": bar.customers}

    source = question.source
    histograms = {
        "total_spend": [drawn(bar, money(source, bar.start), money(source, bar.end)) for bar in spread.spend],
        "number_of_purchases": [drawn(bar, bar.start, bar.end) for bar in spread.purchases],
    }
    return segment_of(question, spread.totals) | {"histograms": histograms}
