"""Importing orders: a stream of any size, batch by batch, in constant memory.

Each batch is a transaction of its own. A stream that fits one batch is stored like a request;
of a longer one the standings are set aside and follow at the end, so a crash in between leaves
true answers (from the orders) and work for the worker. Repeating an import completes it.
"""

import asyncio
import itertools
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, NamedTuple, TypeVar

from app.boards.questions import invalid_parameter
from app.boards.recount import catch_up
from app.boards.source import Source, UnknownSource
from app.database.errors import instead_of_waiting
from app.database.pools import Connection, Database
from app.orders import statements
from app.orders.customer_form import CustomerEntry
from app.orders.cut_records import Record
from app.orders.foreign_rows import Refund
from app.orders.import_progress import Import, Lines, RefusedRow
from app.orders.ingest import Tally, beyond_sums, ingest, preview_batch
from app.orders.normal_form import Order, Refusal
from app.orders.order_file import OrderFile
from app.orders.read_orders import OrderReader
from app.orders.read_rows import Aside, Records, Table
from app.orders.statements import KnownOrder
from app.problems import InvalidRequest, Problem, ServiceUnavailable
from app.wire.ids import public_id
from app.wire.instants import Clock
from app.words import Sentence

BATCH_ROWS = 5_000

ANALYSED_AFTER_BATCHES = frozenset({1, 4, 16, 64, 256, 1024})
"""After these many orders the planner's statistics are refreshed: those of before a large import mislead it."""


ImportedRow = TypeVar("ImportedRow", Order, CustomerEntry)


@dataclass(frozen=True, slots=True)
class ImportKind(Generic[ImportedRow]):
    """How rows of one kind are read and stored; `store` is told what the history calls the import."""

    read: Callable[[Records, Source, datetime], Awaitable[tuple[Sequence[tuple[int, int, Any]], int]]]
    """Gives the lines with their rows or refusals, and how many records were read."""
    store: Callable[..., Awaitable[Tally]]
    preview: Callable[..., Awaitable[Tally]] | None = None
    """Tells what `store` would do, without doing it."""


class ImportBatch(NamedTuple, Generic[ImportedRow]):
    """Rows with the lines that they come from, and whether they are the last."""

    rows: list[ImportedRow]
    lines: list[Lines]
    is_last: bool = False


LOCK_TRIES = 20
REPEATED = Sentence(
    "Give updated_at, or one row for each order: this one came before with other content, and the last counts."
)
SILENT_IMPORT = timedelta(minutes=2)
"""An import that has not stored a batch for this long has died."""
INTERRUPTED_IMPORT = "interrupted"
"""Why an import has ended whose client or process is gone."""


class TooManyRefusedRows(Problem):
    """The import ended: 10,000 rows in a row, or more than half of all, were refused. Valid rows before are stored."""

    slug = "too-many-refused-rows"
    title = "Too many rows were refused"
    status = 422


def orders_of(reader: OrderReader) -> ImportKind[Order]:
    """Rows that are orders."""
    return ImportKind(reader.read, ingest, preview_batch)


async def import_rows(
    database: Database,
    source: Source,
    file: OrderFile,
    kind: ImportKind[ImportedRow],
    clock: Clock,
    ask_again: Callable[[], Awaitable[None]] | None = None,
) -> Import:
    """Store every row of the stream; a broken stream raises after what came before is stored.

    `ask_again` is called before each batch; it raises when the caller may no longer do this.
    """
    progress = Import(file, began_at=clock())
    batches: AsyncIterator[ImportBatch[ImportedRow]]
    batches = _batches(_rows_in(file, kind, source, clock), progress, source.currency)
    first = await anext(batches)
    async with database.write() as conn:
        begun = source.key | {"now": clock()}
        import_id: int | None = (await conn.execute(statements.INSERT_IMPORT, begun)).scalar_one_or_none()
    if import_id is None:  # it was deleted a moment ago
        raise UnknownSource
    progress.id = import_id
    deferred = not first.is_last
    try:
        await _store_batches(database, source, kind, batches, first, progress, clock, ask_again)
    except Problem as ended:
        progress.ended_because = ended.code()
        ended.members["import"] = progress.told()
        raise
    except BaseException:
        progress.ended_because = INTERRUPTED_IMPORT
        raise
    finally:
        if deferred:
            with suppress(UnknownSource):  # it was deleted meanwhile
                await catch_up(database, source, clock())
        async with database.write() as conn:
            await _note(conn, source, progress, clock(), finished=True)
    return progress


async def preview_rows(
    database: Database,
    source: Source,
    file: OrderFile,
    kind: ImportKind[ImportedRow],
    clock: Clock,
    ask_again: Callable[[], Awaitable[None]] | None = None,
) -> Import:
    """What `import_rows` would report; nothing is stored."""
    if kind.preview is None:
        detail = Sentence("Leave this out: only orders can be tried without storing them.")
        raise InvalidRequest(errors=[invalid_parameter("dry_run", detail)])
    progress = Import(file, began_at=clock())
    seen: dict[str, KnownOrder] = {}
    batches: AsyncIterator[ImportBatch[ImportedRow]]
    batches = _batches(_rows_in(file, kind, source, clock), progress, source.currency)
    async for batch in batches:
        if ask_again is not None:
            await ask_again()
        async with database.read() as conn:
            tally = await kind.preview(conn, source, batch.rows, progress.began_at, seen)
        progress.tally.add(tally)
        _report_odd_orders(progress, batch, tally)
    return progress


async def _store_batches(
    database: Database,
    source: Source,
    kind: ImportKind[ImportedRow],
    batches: AsyncIterator[ImportBatch[ImportedRow]],
    batch: ImportBatch[ImportedRow],
    progress: Import,
    clock: Clock,
    ask_again: Callable[[], Awaitable[None]] | None,
) -> None:
    deferred = not batch.is_last
    for number in itertools.count(1):
        # The next batch is read while PostgreSQL stores this one.
        following = None if batch.is_last else asyncio.ensure_future(anext(batches))
        try:
            if ask_again is not None:
                await ask_again()
            await _store_batch(database, source, kind, batch, progress, clock, deferred=deferred)
            if deferred and number in ANALYSED_AFTER_BATCHES:
                async with database.write() as conn:
                    await conn.execute(statements.ANALYZE_ORDERS)
            if following is None:
                return
            batch = await following
        finally:
            if following is not None:
                following.cancel()


async def _store_batch(
    database: Database,
    source: Source,
    kind: ImportKind[ImportedRow],
    batch: ImportBatch[ImportedRow],
    progress: Import,
    clock: Clock,
    *,
    deferred: bool,
) -> None:
    """Store a batch; while another process has locked the source, try again without holding a connection."""
    for tries_left in reversed(range(LOCK_TRIES)):
        try:
            with instead_of_waiting(ServiceUnavailable()):
                async with database.write_in_turn(source.id) as conn:
                    by = public_id("imp", progress.id)
                    tally = await kind.store(
                        conn, source, batch.rows, clock(), by, began_at=progress.began_at, defer_standings=deferred
                    )
                    progress.tally.add(tally)
                    _report_odd_orders(progress, batch, tally)
                    noted = await _note(conn, source, progress, clock(), finished=False)
        except ServiceUnavailable:
            if not tries_left:
                raise
            await asyncio.sleep(1)
        else:
            del progress.unstored[:noted]
            return


def _report_odd_orders(progress: Import, batch: ImportBatch[ImportedRow], tally: Tally) -> None:
    """Refuse and warn of the orders that turned out to be odd when they were compared with what is stored."""
    beyond = {id(order): order for order in tally.beyond_sums}
    repeated = {id(order): order for order in tally.repeated}
    if beyond or repeated:
        for lines, row in zip(batch.lines, batch.rows, strict=True):
            if id(row) in beyond:
                progress.refuse(lines, beyond_sums(beyond[id(row)]))
            elif id(row) in repeated:
                progress.warn(lines, Refusal(row.order_id, "repeated_order", REPEATED))


async def _note(conn: Connection, source: Source, progress: Import, now: datetime, *, finished: bool) -> int:
    """Store how far the import is, and its refused rows; returns how many of the unstored ones that were."""
    refused = [*progress.unstored]
    kept = progress.kept_refusals
    noted = await conn.execute(
        statements.SET_IMPORT_PROGRESS,
        {
            "account_id": source.account_id,
            "import_id": progress.id,
            "received": progress.received,
            "created": progress.tally.created,
            "updated": progress.tally.updated,
            "unchanged": progress.tally.unchanged,
            "rejected": progress.rejected_count,
            "refused_kept": kept,
            "now": now,
            "finished_at": now if finished else None,
            "ended_because": progress.ended_because,
        },
    )
    if refused and noted.one_or_none() is not None:
        columns = dict(zip(RefusedRow._fields, map(list, zip(*refused, strict=True)), strict=True))
        key = {"account_id": source.account_id, "import_id": progress.id}
        await conn.execute(statements.INSERT_REFUSED_ROWS, key | columns)
    return len(refused)


async def _rows_in(
    file: OrderFile, kind: ImportKind[ImportedRow], source: Source, clock: Clock
) -> AsyncIterator[Sequence[tuple[int, int, Any]]]:
    """What the file holds; the rows of an order that a piece leaves over are read with the next one."""
    left: list[Record] = []
    table: Table | None = None
    async for some in file.records():
        table = some.table
        lines, read = await kind.read(some._replace(records=left + some.records), source, clock())
        left = (left + some.records)[read:]
        yield lines
    if left:
        yield (await kind.read(Records(left, table, is_last=True), source, clock()))[0]
    yield [*file.refunds.rest()]


async def _batches(
    pieces: AsyncIterable[Sequence[tuple[int, int, Any]]], progress: Import, currency: str
) -> AsyncIterator[ImportBatch[ImportedRow]]:
    """The rows in batches; refused ones are counted on the way, and end a batch when they are as many."""
    batch: ImportBatch[ImportedRow] = ImportBatch([], [])
    refused = 0
    async for some in pieces:
        for line, last_line, row in some:
            if isinstance(row, Refund):  # it is told with the rest of them, when all orders are known
                continue
            progress.received += 1
            if isinstance(row, Aside):
                progress.set_aside(row)
                continue
            if isinstance(row, Refusal):
                progress.refuse(Lines(line, last_line), row)
                refused += 1
                if progress.is_hopeless:
                    yield batch
                    raise TooManyRefusedRows
                if refused == BATCH_ROWS:
                    yield batch
                    batch, refused = ImportBatch([], []), 0
                continue
            progress.refused_in_a_row = 0
            for each in row.left_out:
                progress.warn(Lines(line, last_line), Refusal(row.order_id, *each))
            if len(batch.rows) == BATCH_ROWS:
                yield batch
                batch, refused = ImportBatch([], []), 0
            kept: Any = (
                progress.file.refunds.applied(row, row.foreign_currency or currency) if isinstance(row, Order) else row
            )
            batch.rows.append(kept)
            batch.lines.append(Lines(line, last_line))
    yield batch._replace(is_last=True)
