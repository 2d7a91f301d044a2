"""Suppression routes: the addresses of an account that must not be written to."""

import json
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from app.accounts.access import Reader, Writer, admit_again, count_expensive_read
from app.accounts.guarded_route import GuardedRoute, limit_body
from app.boards.conditional import FilesOfService
from app.database.pools import Pools
from app.database.rows import all_rows
from app.forms import CSV, JSON, comma_separated, documented_file, preferred, spooled
from app.orders.read_columns import UnknownColumns
from app.orders.running_imports import ImportsOfService
from app.orders.streams import BrokenStream
from app.orders.uploads import documented_upload, uploaded_file
from app.problems import BodyTooLarge, BodyTooSlow, UnsupportedMediaType, documented
from app.services import services_of
from app.suppressions.import_suppressions import NO_STORE, TakenFile, import_suppressions
from app.suppressions.lift import (
    OptedInSince,
    OptInRequired,
    OptInTooOld,
    UnknownSuppression,
    not_ahead,
    opt_in,
    read_suppression,
    revive,
)
from app.suppressions.read_all import FILE_COLUMNS, all_suppressions
from app.suppressions.schemas import (
    ROW_EXAMPLE,
    AddressText,
    NewSuppression,
    ReasonValue,
    RefusedSuppression,
    Suppression,
    SuppressionFileOptions,
    SuppressionImport,
    SuppressionPage,
)
from app.suppressions.statements import SuppressionRow, select_suppressions
from app.suppressions.suppress import AddressEvents, note_addresses, renew_answers
from app.vocabulary import SuppressionReason
from app.wire.instants import Now, QueryInstant, ServiceClock, rfc3339
from app.wire.pages import Listing, PageQuery
from app.words import Language, language_of, said

router = APIRouter(route_class=GuardedRoute, prefix="/account/suppressions", tags=["suppressions"])

FILE_FORMS = (JSON, CSV)
FILE_EXAMPLE = "address,reason,since\ngone@example.test,left,2026-11-20T09:00:00Z\n"
WRITTEN_FILE_EXAMPLE = f"{','.join(FILE_COLUMNS)}\r\ngone@example.test,left,2026-11-20T09:00:00Z,unsubscribe\r\n"
AddressInPath = Annotated[AddressText, Path(alias="address", description="the e-mail address, in any case")]


class SuppressionQuery(PageQuery):
    """Which suppressed addresses."""

    reason: ReasonValue | None = None


@router.get("", operation_id="listSuppressions", response_model=SuppressionPage)
async def list_suppressions(
    query: Annotated[SuppressionQuery, Query()],
    caller: Reader,
    database: Pools,
    files: FilesOfService,
    request: Request,
    response: Response,
) -> SuppressionPage | Response:
    """List the suppressed addresses; with `Accept: text/csv` the file of `GET /account/suppressions/export`."""
    if preferred(request.headers.get("accept", ""), FILE_FORMS) == CSV:
        return await export_suppressions(request, caller, database, files)
    listing = Listing(request, response, caller.cursor_secret, f"suppressions {query.reason}", query)
    after = bytes.fromhex(listing.start([""])[0])
    bound = {"account_id": caller.account_id, "after": after, "reason": query.reason, "limit": query.limit + 1}
    async with database.read() as conn:
        statement = select_suppressions(by_reason=query.reason is not None)
        rows = await all_rows(conn, statement, bound, SuppressionRow)
    shown, next_cursor = listing.cut(rows, lambda row: [row.address_hash.hex()])
    return SuppressionPage(items=[suppression(row) for row in shown], next_cursor=next_cursor)


@router.get(
    "/export",
    operation_id="exportSuppressions",
    response_class=Response,
    responses=documented_file("All suppressed addresses.", {CSV: WRITTEN_FILE_EXAMPLE}),
)
async def export_suppressions(request: Request, caller: Reader, database: Pools, files: FilesOfService) -> Response:
    """Write all suppressed addresses that are known to a CSV file; it counts as an expensive read."""
    await count_expensive_read(request)
    parts = comma_separated(FILE_COLUMNS, all_suppressions(database, caller.account_id))
    return await spooled(parts, files.opened(caller.account_id), CSV, "suppressions")


@router.post(
    "",
    operation_id="importSuppressions",
    responses=documented(BrokenStream, BodyTooSlow, BodyTooLarge, UnsupportedMediaType, UnknownColumns),
    openapi_extra={"requestBody": documented_upload(SuppressionFileOptions, FILE_EXAMPLE, json.dumps(ROW_EXAMPLE))},
)  # fmt: skip
@limit_body(None)
async def import_suppression_file(
    options: Annotated[SuppressionFileOptions, Query()],
    caller: Writer,
    imports: ImportsOfService,
    request: Request,
    database: Pools,
) -> SuppressionImport:
    """Suppress every address of a file of any size, as CSV or NDJSON, plain or gzip: such as the list of another tool.

    Send it again if it breaks off: the latest time of each reason counts.
    """
    file, told = await uploaded_file(request, options, NO_STORE)
    clock = services_of(request).get(ServiceClock).now

    async def ask_again() -> None:
        imports.require_time()
        await admit_again(request)

    with imports.running(caller.account_id):
        taken = await import_suppressions(database, caller, file, SuppressionReason(told.reason), clock, ask_again)
    return suppression_import(taken, language_of(request.headers))


@router.get(
    "/{address}", operation_id="readSuppression", responses=documented(UnknownSuppression)
)  # fmt: skip
async def show_suppression(address: AddressInPath, caller: Reader, database: Pools) -> Suppression:
    """Show why an address must not be written to; 404 says that nothing speaks against it."""
    return suppression(await read_suppression(database, caller.account_id, address))


@router.put("/{address}", operation_id="suppressAddress", responses=documented(OptedInSince))
async def suppress_address(
    address: AddressInPath, new: NewSuppression, caller: Writer, database: Pools, now: Now
) -> Suppression:
    """Suppress an address for every customer who has it now or later, in all stores of the account."""
    events = AddressEvents()
    events.add(SuppressionReason(new.reason), not_ahead("since", new.since or now, now))
    await note_addresses(database, caller.account_id, {address: events}, caller.by)
    await renew_answers(database, caller.account_id, [address])
    try:
        return suppression(await read_suppression(database, caller.account_id, address))
    except UnknownSuppression:
        raise OptedInSince from None


@router.delete(
    "/{address}",
    status_code=204,
    operation_id="liftSuppression",
    responses=documented(UnknownSuppression, OptInRequired, OptInTooOld),
)
async def lift_suppression(
    address: AddressInPath,
    caller: Writer,
    database: Pools,
    now: Now,
    opted_in_at: Annotated[
        QueryInstant | None, Query(description="when the owner of the address agreed to offers again")
    ] = None,
) -> None:
    """End a suppression: the owner of the address has agreed again, or a dead address works again.

    Without `opted_in_at` it needs a key with the scope `admin` too, and ends nothing but `dead`.
    """
    if opted_in_at is None:
        await revive(database, caller, address)
        return
    await read_suppression(database, caller.account_id, address)
    await opt_in(database, caller, address, opted_in_at, now)


def suppression_import(taken: TakenFile, language: Language) -> SuppressionImport:
    """A file of suppressions as it is answered."""
    return SuppressionImport(
        received=taken.received,
        suppressed=taken.suppressed,
        opted_in_since=taken.received - taken.suppressed - taken.rejected_count,
        rejected_count=taken.rejected_count,
        rejected=[
            RefusedSuppression(line=line, last_line=last, code=each.code, detail=said(each.detail, language))
            for line, last, each in taken.rejected
        ],
        read_as=taken.read_as,
    )


def suppression(row: SuppressionRow) -> Suppression:
    """A suppressed address as it is shown."""
    events = {name: getattr(row, name) for name in ("left_at", "complained_at", "dead_at", "opted_in_at")}
    return Suppression(
        address=row.email,
        reason=row.reason,
        since=rfc3339(row.since),
        by=row.by,
        **{name: rfc3339(at) if at else None for name, at in events.items()},
    )
