"""Order routes: orders of a source, in batches, as streams, and out again."""

import json
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from app.accounts.access import Writer, admit_again
from app.accounts.guarded_route import GuardedRoute, limit_body
from app.boards.source import RememberedSources, SourceId
from app.database.pools import Pools
from app.orders.customer_form import (
    CustomerBatch,
    CustomerBatchResult,
    CustomerEntry,
    CustomerRemark,
    StoredCustomer,
    normalised_customer,
)
from app.orders.file_options import ImportOptions
from app.orders.import_orders import TooManyRefusedRows, import_rows, orders_of, preview_rows
from app.orders.import_progress import Import
from app.orders.ingest import beyond_sums, bury, ingest
from app.orders.normal_form import Order, Refusal, normalised
from app.orders.read_columns import UnknownColumns
from app.orders.read_orders import OrderReader
from app.orders.running_imports import ImportsOfService
from app.orders.schemas import (
    ORDER_EXAMPLE,
    BatchResult,
    ImportResult,
    OrderBatch,
    Rejected,
    RejectedLine,
    Warned,
    WarnedLine,
)
from app.orders.store_customers import CUSTOMERS_OF_FILE, store_customers
from app.orders.streams import BrokenStream
from app.orders.uploads import documented_upload, uploaded_file
from app.problems import BodyTooLarge, BodyTooSlow, UnsupportedMediaType, documented
from app.services import services_of
from app.vocabulary import ImportOf
from app.wire.ids import public_id
from app.wire.instants import Now, ServiceClock
from app.words import Language, language_of, said

router = APIRouter(route_class=GuardedRoute, tags=["orders"])

CSV_EXAMPLE = (
    "order_id,customer_id,email,name,ordered_at,total,status\n"
    "1001,42,ada@example.test,Ada,2026-10-30T12:02:00+01:00,130.49,paid\n"
)


@router.post(
    "/sources/{id}/orders",
    operation_id="storeOrders",
)  # fmt: skip
async def store_orders(
    source_id: SourceId,
    batch: OrderBatch,
    caller: Writer,
    sources: RememberedSources,
    database: Pools,
    now: Now,
    request: Request,
) -> BatchResult:
    """Store up to 1,000 orders; valid orders are stored even when others are refused.

    Sending the same order again changes nothing, and an older version never replaces a newer one.
    """
    source = await sources.read(database, caller.account_id, source_id)
    read = [normalised(row, source, now) for row in batch.orders]
    orders = [order for order in read if isinstance(order, Order)]
    async with database.write_in_turn(source.id) as conn:
        tally = await ingest(conn, source, orders, now, caller.by)
    beyond = {id(order): beyond_sums(order) for order in tally.beyond_sums}
    refusals = [beyond.get(id(each), each) for each in read]
    language = language_of(request.headers)
    return BatchResult(
        received=len(read),
        created=tally.created,
        updated=tally.updated,
        unchanged=tally.unchanged,
        rejected=[
            Rejected.model_validate({"index": index, **refusal.told(language)})
            for index, refusal in enumerate(refusals)
            if isinstance(refusal, Refusal)
        ],
        warnings=[
            Warned(index=index, order_id=order.order_id, code=code, detail=said(detail, language))
            for index, order in enumerate(refusals)
            if isinstance(order, Order)
            for code, detail in order.left_out
        ],
    )


@router.post(
    "/sources/{id}/customers",
    operation_id="storeCustomers",
)
async def store_customer_batch(
    source_id: SourceId,
    batch: CustomerBatch,
    caller: Writer,
    sources: RememberedSources,
    database: Pools,
    now: Now,
    request: Request,
) -> CustomerBatchResult:
    """Store up to 1,000 people of a store, with or without orders; valid rows are stored even when others are refused.

    What a newer row or a weightier statement has said is kept. Somebody without orders is on no board.
    """
    source = await sources.read(database, caller.account_id, source_id)
    read = [normalised_customer(row, now) for row in batch.customers]
    entries = {index: each for index, each in enumerate(read) if isinstance(each, CustomerEntry)}
    async with database.write_in_turn(source.id) as conn:
        tally, customers = await store_customers(conn, source, [*entries.values()], now, caller.by)
    language = language_of(request.headers)
    return CustomerBatchResult(
        received=len(read),
        created=tally.created,
        updated=tally.updated,
        unchanged=tally.unchanged,
        customers=[
            StoredCustomer(index=index, customer=public_id("cus", customer))
            for index, customer in zip(entries, customers, strict=True)
        ],
        rejected=[
            CustomerRemark(index=index, customer_id=None, code=each.code, detail=said(each.detail, language))
            for index, each in enumerate(read)
            if isinstance(each, Refusal)
        ],
        warnings=[
            CustomerRemark(index=index, customer_id=entry.external_id, code=code, detail=said(detail, language))
            for index, entry in entries.items()
            for code, detail in entry.left_out
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
    """Delete an order, even one that was never seen; only a version with a later `updated_at` brings it back."""
    source = await sources.read(database, caller.account_id, source_id)
    async with database.write_in_turn(source.id) as conn:
        await bury(conn, source, order_id, now)


@router.post(
    "/sources/{id}/imports",
    status_code=201,
    operation_id="importOrders",
    responses={
        200: {"model": ImportResult, "description": "What `dry_run` would have stored"},
        **documented(BrokenStream, BodyTooSlow, BodyTooLarge, UnsupportedMediaType, UnknownColumns, TooManyRefusedRows),
    },
    openapi_extra={"requestBody": documented_upload(ImportOptions, CSV_EXAMPLE, json.dumps(ORDER_EXAMPLE))},
)  # fmt: skip
@limit_body(None)
async def import_stream(
    source_id: SourceId,
    options: Annotated[ImportOptions, Query()],
    caller: Writer,
    sources: RememberedSources,
    imports: ImportsOfService,
    request: Request,
    database: Pools,
    response: Response,
) -> ImportResult:
    """Store a file of any size, as CSV or NDJSON, plain or gzip, or an .xlsx workbook: orders, or people (`of`).

    Send it again if it breaks off. The parameters may also be fields of a form, before its file.
    """
    source = await sources.read(database, caller.account_id, source_id)
    file, told = await uploaded_file(request, options, source)
    clock = services_of(request).get(ServiceClock).now
    response.status_code = 200 if told.dry_run else 201

    async def ask_again() -> None:
        imports.require_time()
        await admit_again(request)

    with imports.running(source.account_id, source.id):
        run = preview_rows if told.dry_run else import_rows
        if told.of == ImportOf.CUSTOMERS:
            done = await run(database, source, file, CUSTOMERS_OF_FILE, clock, ask_again)
        else:
            kind = orders_of(services_of(request).get(OrderReader))
            done = await run(database, source, file, kind, clock, ask_again)
    return result_of(done, language_of(request.headers))


def result_of(done: Import, language: Language) -> ImportResult:
    """An import as it is answered."""
    return ImportResult(
        id=public_id("imp", done.id) if done.id else None,
        dry_run=not done.id,
        received=done.received,
        created=done.tally.created,
        updated=done.tally.updated,
        unchanged=done.tally.unchanged,
        folded=done.folded,
        ignored=done.ignored,
        rejected_count=done.rejected_count,
        warnings_count=done.warnings_count,
        warnings=[WarnedLine.model_validate(lines._asdict() | each.told(language)) for lines, each in done.warnings],
        read_as=done.read_as,
        rejected=[
            RejectedLine.model_validate(lines._asdict() | refusal.told(language)) for lines, refusal in done.rejected
        ],
    )
