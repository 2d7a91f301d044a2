"""Importing orders: a stream of any size, batch by batch, in constant memory.

Each batch is a transaction of its own. A stream that fits one batch is stored like a request;
of a longer one the standings are set aside and follow at the end, so a crash in between leaves
true answers (from the orders) and work for the worker. Repeating an import completes it.
"""

import asyncio
import itertools
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime

from app.boards.recount import catch_up
from app.boards.source import Source
from app.database.errors import instead_of_waiting
from app.database.pools import Connection, Database
from app.orders import statements
from app.orders.ingest import Tally, ingest
from app.orders.normal_form import Order, Refusal, normalised
from app.orders.read_rows import Line
from app.problems import Problem, ServiceUnavailable
from app.wire.ids import public_id
from app.wire.instants import Clock

BATCH_ROWS = 5_000
REPORTED_REFUSALS = 100

ANALYSED_AFTER_BATCHES = frozenset({1, 4, 16, 64, 256, 1024})
"""After these many orders the planner's statistics are refreshed: those of before a large import mislead it."""

ImportBatch = tuple[list[Order], bool]
"""Orders, and whether they are the last."""


MOST_REFUSED_IN_A_ROW = 10_000
LOCK_TRIES = 20
TOLD_REFUSALS = 10


class TooManyRefusedRows(Problem):
    """The import ended: 10,000 rows in a row, or more than half of all, were refused. Valid rows before are stored."""

    slug = "too-many-refused-rows"
    title = "Too many rows were refused"
    status = 422


@dataclass(slots=True)
class Import:
    """An import and how far it is: the counts add up to `received`."""

    id: int = 0
    received: int = 0
    rejected_count: int = 0
    tally: Tally = field(default_factory=Tally)
    rejected: list[tuple[int, Refusal]] = field(default_factory=list)

    refused_in_a_row: int = 0

    def refuse(self, line: int, refusal: Refusal) -> None:
        """Count a row that is not stored, and remember the first ones."""
        self.rejected_count += 1
        self.refused_in_a_row += 1
        if len(self.rejected) < REPORTED_REFUSALS:
            self.rejected.append((line, refusal))

    @property
    def is_hopeless(self) -> bool:
        """Whether so few rows can be stored that the file must be another one."""
        mostly = self.received >= 2 * MOST_REFUSED_IN_A_ROW and 2 * self.rejected_count > self.received
        return mostly or self.refused_in_a_row >= MOST_REFUSED_IN_A_ROW

    def told(self) -> dict[str, object]:
        """What is stored so far, for the answer to an import that ends early."""
        return {
            "id": public_id("imp", self.id),
            "received": self.received,
            "created": self.tally.created,
            "updated": self.tally.updated,
            "unchanged": self.tally.unchanged,
            "rejected_count": self.rejected_count,
            "rejected": [{"line": line, **each._asdict()} for line, each in self.rejected[:TOLD_REFUSALS]],
        }


async def import_orders(
    database: Database,
    source: Source,
    rows: AsyncIterable[list[Line]],
    clock: Clock,
    ask_again: Callable[[], Awaitable[None]] | None = None,
) -> Import:
    """Store every order of the stream; a broken stream raises after what came before is stored.

    `ask_again` is called before each batch; it raises when the caller may no longer do this.
    """
    progress = Import()
    batches = _batches(rows, source, progress, clock)
    batch, is_last = await anext(batches)
    async with database.write() as conn:
        begun = source.key | {"now": clock()}
        progress.id = (await conn.execute(statements.INSERT_IMPORT, begun)).scalar_one()
    deferred = not is_last
    try:
        await _store_batches(database, source, batches, (batch, is_last), progress, clock, ask_again)
    except Problem as ended:
        ended.members["import"] = progress.told()
        raise
    finally:
        if deferred:
            await catch_up(database, source, clock())
        async with database.write() as conn:
            await _note(conn, source, progress, clock(), finished=True)
    return progress


async def _store_batches(
    database: Database,
    source: Source,
    batches: AsyncIterator[ImportBatch],
    first: ImportBatch,
    progress: Import,
    clock: Clock,
    ask_again: Callable[[], Awaitable[None]] | None,
) -> None:
    (batch, is_last), deferred = first, not first[1]
    for number in itertools.count(1):
        # The next batch is read while PostgreSQL stores this one.
        following = None if is_last else asyncio.ensure_future(anext(batches))
        try:
            if ask_again is not None:
                await ask_again()
            await _store_batch(database, source, batch, progress, clock, deferred=deferred)
            if deferred and number in ANALYSED_AFTER_BATCHES:
                async with database.write() as conn:
                    await conn.execute(statements.ANALYZE_ORDERS)
            if following is None:
                return
            batch, is_last = await following
        finally:
            if following is not None:
                following.cancel()


async def _store_batch(
    database: Database, source: Source, batch: list[Order], progress: Import, clock: Clock, *, deferred: bool
) -> None:
    """Store a batch; while another process has locked the source, try again without holding a connection."""
    for tries_left in reversed(range(LOCK_TRIES)):
        try:
            with instead_of_waiting(ServiceUnavailable()):
                async with database.write_in_turn(source.id) as conn:
                    tally = await ingest(conn, source, batch, clock(), defer_standings=deferred)
                    progress.tally.add(tally)
                    await _note(conn, source, progress, clock(), finished=False)
                    return
        except ServiceUnavailable:
            if not tries_left:
                raise
            await asyncio.sleep(1)


async def _note(conn: Connection, source: Source, progress: Import, now: datetime, *, finished: bool) -> None:
    await conn.execute(
        statements.SET_IMPORT_PROGRESS,
        {
            "account_id": source.account_id,
            "import_id": progress.id,
            "received": progress.received,
            "created": progress.tally.created,
            "updated": progress.tally.updated,
            "unchanged": progress.tally.unchanged,
            "rejected": progress.rejected_count,
            "now": now,
            "finished_at": now if finished else None,
        },
    )


async def _batches(
    rows: AsyncIterable[list[Line]], source: Source, progress: Import, clock: Clock
) -> AsyncIterator[ImportBatch]:
    """Batches of orders, each with whether it is the last."""
    batch: list[Order] = []
    async for some in rows:
        await asyncio.sleep(0)  # other requests are answered between two pieces of a stream that is always ready
        now = clock()
        for line, row in some:
            progress.received += 1
            order = row if isinstance(row, Refusal) else normalised(row, source, now)
            if isinstance(order, Refusal):
                progress.refuse(line, order)
                if progress.is_hopeless:
                    yield batch, False
                    raise TooManyRefusedRows
                continue
            progress.refused_in_a_row = 0
            if len(batch) == BATCH_ROWS:
                yield batch, False
                batch = []
            batch.append(order)
    yield batch, True
