"""Reading orders: records are parsed and checked in a process of their own, while the event loop serves others.

The process is started by the first long stream. It holds nothing between two pieces, so one that has died is replaced.
"""

import asyncio
import marshal
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from app.boards.source import Source
from app.local_postgres import die_with
from app.orders.foreign_rows import Refund, foreign_rows
from app.orders.normal_form import Order, Refusal, normalised
from app.orders.read_rows import Aside, Records, Table
from app.problems import log
from app.words import PackedSentence, Sentence

NO_ROW = (Refusal, Aside, Refund)
READ_HERE = 100
"""So few records are read faster than they are handed over."""

Line = tuple[int, int, Order | Refusal | Aside | Refund]
"""The numbers of a row's first and last line, and its order, or why there is none."""


class Piece(NamedTuple):
    """What some records hold; those behind `read` are left for the next piece, which has the rest of their order."""

    lines: list[Line]
    read: int


def read_orders(records: Records, source: Source, now: datetime) -> Piece:
    """Parse and check the records."""
    rows: Iterable[tuple[int, int, Any]]
    spelling = None if records.table is None else records.table.spelling
    if records.table is None or records.table.layout is None:
        rows, read = records.rows(), len(records.records)
    else:
        rows, read = foreign_rows(records.records, records.table, source.currency, is_last=records.is_last)
    lines = [
        (first, last, row if isinstance(row, NO_ROW) else normalised(row, source, now, spelling))
        for first, last, row in rows
    ]
    return Piece(lines, read)


# ---------------------------------------------------------------- the way between two processes

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
LEFT_OUT = Order._fields.index("left_out")
INSTANTS = [Order._fields.index(name) for name in ("ordered_at", "updated_at", "marketing_at")]


def packed_orders(records: bytes, table: Table | None, is_last: bool, source: Source, now: datetime) -> bytes:  # noqa: FBT001
    """What `read_orders` returns for packed records, packed too.

    `marshal` takes a tenth of the time that `pickle` needs, and it is not a thread of the pool that takes it.
    """
    unpacked = Records(marshal.loads(records), table, is_last)  # noqa: S302 - it comes from our own process
    piece = read_orders(unpacked, source, now)
    return marshal.dumps(([(first, last, *_packed(read)) for first, last, read in piece.lines], piece.read))


def unpacked_orders(packed: bytes) -> Piece:
    """What `read_orders` has returned."""
    lines, read = marshal.loads(packed)  # noqa: S302 - it comes from our own process
    return Piece([(first, last, UNPACK[kind](values)) for first, last, kind, values in lines], read)


def _packed(read: Order | Refusal | Aside | Refund) -> tuple[int, tuple[Any, ...]]:
    """The place in UNPACK of what makes it again, and its values."""
    if isinstance(read, Refusal):
        return 1, (
            read.order_id,
            read.code,
            read.detail.packed(),
            [(code, detail.packed()) for code, detail in read.others],
        )
    if isinstance(read, Aside):
        return 2, (str(read),)
    if isinstance(read, Refund):
        return 3, tuple(read)
    values: list[Any] = list(read)
    for place in INSTANTS:
        if values[place] is not None:
            values[place] = (values[place] - EPOCH) // MICROSECOND
    values[LEFT_OUT] = tuple((code, detail.packed()) for code, detail in read.left_out)
    return 0, tuple(values)


def _order_from(values: tuple[Any, ...]) -> Order:
    row = list(values)
    for place in INSTANTS:
        if row[place] is not None:
            row[place] = EPOCH + timedelta(microseconds=row[place])
    row[LEFT_OUT] = tuple((code, Sentence.unpacked(detail)) for code, detail in row[LEFT_OUT])
    return Order._make(row)


def _refusal_from(values: tuple[str | None, str, PackedSentence, list[tuple[str, PackedSentence]]]) -> Refusal:
    order_id, code, detail, others = values
    unpacked = tuple((each, Sentence.unpacked(packed)) for each, packed in others)
    return Refusal(order_id, code, Sentence.unpacked(detail), unpacked)


UNPACK: tuple[Callable[[Any], Order | Refusal | Aside | Refund], ...] = (
    _order_from,
    _refusal_from,
    lambda values: Aside(*values),
    Refund._make,
)


# ---------------------------------------------------------------- the process


class OrderReader:
    """The process that reads orders."""

    def __init__(self) -> None:
        """It is started when it is needed."""
        self._process: ProcessPoolExecutor | None = None
        self._starting: Future[int] | None = None

    async def read(self, records: Records, source: Source, now: datetime) -> Piece:
        """The orders in the records."""
        if len(records.records) <= READ_HERE:
            return read_orders(records, source, now)
        process, loop = self._started(), asyncio.get_running_loop()
        if self._starting is not None and not self._starting.done():
            return await asyncio.to_thread(read_orders, records, source, now)
        try:
            packed = await loop.run_in_executor(
                process, packed_orders, marshal.dumps(records.records), records.table, records.is_last, source, now
            )
        except BrokenProcessPool:
            log.warning("order reader died")
            self._process = None if self._process is process else self._process
            process.shutdown(wait=False)
            return await asyncio.to_thread(read_orders, records, source, now)
        return unpacked_orders(packed)

    def _started(self) -> ProcessPoolExecutor:
        """The process; while it starts, threads read."""
        if self._process is None:
            spawn = multiprocessing.get_context("spawn")
            self._process = ProcessPoolExecutor(1, spawn, _begin, (os.getpid(),))
            self._starting = self._process.submit(os.getpid)
        return self._process

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.shutdown(wait=False, cancel_futures=True)


def _begin(parent: int) -> None:
    """Ctrl-C is for the parent, and when it is killed the process ends too."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(5)  # it reads ahead: PostgreSQL and the event loop come first
    die_with(parent, signal.SIGKILL)
