"""Order routes: orders of a source, in batches, as streams, and out again."""

import json
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Path, Request

from app.accounts.access import Writer, admit_again
from app.accounts.guarded_route import GuardedRoute, limit_body
from app.boards.source import RememberedSources, SourceId
from app.database.errors import FiguresTooLarge
from app.database.pools import Pools
from app.orders.import_orders import Import, TooManyRefusedRows, import_orders
from app.orders.ingest import bury, ingest
from app.orders.normal_form import Order, Refusal, normalised
from app.orders.read_rows import BrokenStream, UnknownColumns, csv_rows, inflated, ndjson_rows
from app.orders.running_imports import ImportsOfService
from app.orders.schemas import ORDER_EXAMPLE, BatchResult, ImportResult, OrderBatch, Rejected, RejectedLine
from app.problems import BodyTooSlow, UnsupportedMediaType, documented
from app.wire.ids import public_id
from app.wire.instants import ClockOfService, Now

router = APIRouter(route_class=GuardedRoute, tags=["orders"])

ROWS = {"text/csv": csv_rows, "application/x-ndjson": ndjson_rows}
ENCODINGS = {"": False, "identity": False, "gzip": True, "x-gzip": True}
CSV_EXAMPLE = (
    "order_id,customer_id,email,name,ordered_at,total,status\n"
    "1001,42,ada@example.test,Ada,2026-10-30T12:02:00+01:00,130.49,paid\n"
)


@router.post(
    "/sources/{id}/orders",
    operation_id="storeOrders",
    responses=documented(FiguresTooLarge),
)  # fmt: skip
async def store_orders(
    source_id: SourceId,
    batch: OrderBatch,
    caller: Writer,
    sources: RememberedSources,
    database: Pools,
    now: Now,
) -> BatchResult:
    """Store up to 1,000 orders; valid orders are stored even when others are refused.

    Sending the same order again changes nothing, and an older version never replaces a newer one.
    """
    source = await sources.read(database, caller.account_id, source_id)
    read = [normalised(row, source, now) for row in batch.orders]
    orders = [order for order in read if isinstance(order, Order)]
    async with database.write_in_turn(source.id) as conn:
        tally = await ingest(conn, source, orders, now)
    return BatchResult(
        received=len(read),
        created=tally.created,
        updated=tally.updated,
        unchanged=tally.unchanged,
        rejected=[
            Rejected(index=index, **refusal._asdict())
            for index, refusal in enumerate(read)
            if isinstance(refusal, Refusal)
        ],
    )


@router.delete(
    "/sources/{id}/orders/{order_id:path}",
    status_code=204,
    operation_id="deleteOrder",
)
async def delete_order(
    source_id: SourceId,
    order_id: Annotated[str, Path(min_length=1, max_length=255, pattern="^[^\x00]*$")],
    caller: Writer,
    sources: RememberedSources,
    database: Pools,
    now: Now,
) -> None:
    """Delete an order; versions that arrive later do not bring it back, even if it was never seen before."""
    source = await sources.read(database, caller.account_id, source_id)
    async with database.write_in_turn(source.id) as conn:
        await bury(conn, source, order_id, now)


@router.post(
    "/sources/{id}/imports",
    status_code=201,
    operation_id="importOrders",
    responses=documented(
        BrokenStream, BodyTooSlow, UnsupportedMediaType, UnknownColumns, FiguresTooLarge, TooManyRefusedRows
    ),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "text/csv": {"schema": {"type": "string"}, "examples": {"csv": {"value": CSV_EXAMPLE}}},
                "application/x-ndjson": {
                    "schema": {"type": "string"},
                    "examples": {"ndjson": {"value": json.dumps(ORDER_EXAMPLE)}},
                },
            },
        }
    },
)  # fmt: skip
@limit_body(None)
async def import_stream(
    source_id: SourceId,
    caller: Writer,
    sources: RememberedSources,
    imports: ImportsOfService,
    request: Request,
    database: Pools,
    clock: ClockOfService,
) -> ImportResult:
    """Store a stream of orders of any size, as CSV or NDJSON, plain or gzip; send it again if it breaks off."""
    source = await sources.read(database, caller.account_id, source_id)
    rows = ROWS.get(request.headers.get("content-type", "").partition(";")[0].strip().lower())
    encoding = ENCODINGS.get(request.headers.get("content-encoding", "").strip().lower())
    if rows is None or encoding is None:
        raise UnsupportedMediaType("Send text/csv or application/x-ndjson, plain or with Content-Encoding: gzip.")
    stream = rows(inflated(request.stream(), gzip=encoding))
    with imports.running(source.account_id, source.id):
        done = await import_orders(database, source, stream, clock.now, partial(admit_again, request))
    return result_of(done)


def result_of(done: Import) -> ImportResult:
    """An import as it is answered."""
    return ImportResult(
        id=public_id("imp", done.id),
        received=done.received,
        created=done.tally.created,
        updated=done.tally.updated,
        unchanged=done.tally.unchanged,
        rejected_count=done.rejected_count,
        rejected=[RejectedLine(line=line, **refusal._asdict()) for line, refusal in done.rejected],
    )
