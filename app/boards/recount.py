"""Recount: boards are computed from the orders again, never added to from an event.

`refresh` recounts the customers whose orders changed. `tend` does what the calendar asks for, such
as opening a new month. `rebuild` counts everything again. `catch_up` recounts the customers that an
import left for later. Each can run twice without harm and holds the lock of the source meanwhile.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import TextClause

from app.boards import boards as board_statements
from app.boards import standings
from app.boards.boards import BoardRow, StoredBoard, period_columns
from app.boards.buckets import BUCKET_EDGES, INSERT_COUNTED_BUCKETS, LOWER_BUCKETS, RAISE_BUCKETS, least_value
from app.boards.cells import CELLED_KIND, INSERT_COUNTED_CELLS, LOWER_CELLS, RAISE_CELLS
from app.boards.metrics import SUMS, metric_values
from app.boards.source import SET_BOARDS_DUE_AT, SET_COUNTED, Source, lock_source
from app.boards.standings import Difference, board_parameters
from app.database.driver import hot_rows
from app.database.pools import Connection, Database
from app.database.rows import all_rows, change_rows, one_row
from app.periods import Period
from app.vocabulary import Metric
from app.wire.instants import Clock

CUSTOMERS_AT_ONCE = 2_000
"""How many customers' standings go through this process at a time."""

REBUILD_SHARE = 3
"""From a third of all customers on, filling all boards afresh is faster than updating each customer."""


# ---------------------------------------------------------------- following the orders


async def stored_boards(conn: Connection, source: Source) -> list[StoredBoard]:
    """The boards that the source has."""
    return [row.board for row in await all_rows(conn, board_statements.SELECT_BOARDS, source.key, BoardRow)]


async def refresh(
    conn: Connection, source: Source, customers: Sequence[int], moments: Collection[datetime] | None = None
) -> None:
    """Make these customers' standings equal to their orders, on every board of the source.

    If only purchases of some moments have changed, the boards that count none of these moments are as they were.
    """
    if customers:
        boards = await stored_boards(conn, source)
        concerned = boards if moments is None else [board for board in boards if board.period.counts_any(moments)]
        await refresh_on(conn, source, concerned, customers)


async def refresh_on(conn: Connection, source: Source, boards: Sequence[StoredBoard], customers: Sequence[int]) -> None:
    """Make these customers' standings equal to their orders, on these boards."""
    if not boards:
        return
    celled = {board.id for board in boards if board.period.kind is CELLED_KIND}
    bound = source.key | board_parameters(boards)
    for start in range(0, len(customers), CUSTOMERS_AT_ONCE):
        some = bound | {"customers": customers[start : start + CUSTOMERS_AT_ONCE]}
        differences = await hot_rows(conn, standings.SELECT_DIFFERENCES_OF_CUSTOMERS, some, Difference)
        if differences:
            await _write_standings(conn, source, differences)
            await _write_counts(conn, source, Movements.of(differences, celled))


async def _write_standings(conn: Connection, source: Source, differences: Sequence[Difference]) -> None:
    account = {"account_id": source.account_id}
    present = [each for each in differences if each.purchases is not None]
    gone = [each for each in differences if each.purchases is None]
    if present:
        figures = {column: [getattr(each, column) for each in present] for column in (*SUMS, "last_order_at")}
        await conn.execute(standings.UPSERT_STANDINGS, account | _keys(present) | figures)
    if gone:
        await conn.execute(standings.DELETE_STANDINGS, account | _keys(gone))


def _keys(differences: Sequence[Difference]) -> dict[str, Any]:
    return {
        "boards": [each.board_id for each in differences],
        "customers": [each.customer_id for each in differences],
    }


# ---------------------------------------------------------------- totals, buckets and cells


BUCKET = ("boards", "metrics", "least_values")
"""What names a bucket of a metric on a board: the parameters of RAISE_BUCKETS."""

CELL = ("boards", "least_purchases", "least_spends")
"""What names a cell of a board: the parameters of RAISE_CELLS."""


@dataclass(slots=True)
class TotalsMovement:
    """What is added to the totals of one board."""

    customers: int = 0
    purchases: int = 0
    spend: int = 0


@dataclass(slots=True)
class Movements:
    """What a refresh adds to the totals of boards, and to how many customers are in each bucket and cell."""

    totals: dict[int, TotalsMovement] = field(default_factory=dict)
    buckets: defaultdict[tuple[int, Metric, int], int] = field(default_factory=lambda: defaultdict(int))
    cells: defaultdict[tuple[int, int, int], int] = field(default_factory=lambda: defaultdict(int))

    @classmethod
    def of(cls, differences: Iterable[Difference], celled: set[int]) -> "Movements":
        """The changes when new figures replace old ones; only the boards in `celled` have cells."""
        moved = cls()
        for each in differences:
            has_cells = each.board_id in celled
            if each.old_purchases is not None and each.old_spend is not None:
                moved.add(each.board_id, each.old_purchases, each.old_spend, -1, has_cells=has_cells)
            if each.purchases is not None and each.spend is not None:
                moved.add(each.board_id, each.purchases, each.spend, 1, has_cells=has_cells)
        return moved

    def add(self, board_id: int, purchases: int, spend: int, sign: int, *, has_cells: bool) -> None:
        """Count a customer with these sums, or stop counting them where `sign` is -1."""
        totals = self.totals.setdefault(board_id, TotalsMovement())
        totals.customers += sign
        totals.purchases += sign * purchases
        totals.spend += sign * spend
        for metric, value in metric_values(purchases, spend).items():
            self.buckets[board_id, metric, least_value(value)] += sign
        if has_cells:
            self.cells[board_id, least_value(purchases), least_value(spend)] += sign


async def _write_counts(conn: Connection, source: Source, moved: Movements) -> None:
    account = {"account_id": source.account_id}
    totals = {
        "boards": [*moved.totals],
        "customers": [each.customers for each in moved.totals.values()],
        "purchases": [each.purchases for each in moved.totals.values()],
        "spends": [each.spend for each in moved.totals.values()],
    }
    await change_rows(conn, board_statements.ADD_TO_TOTALS, account | totals, rows=len(moved.totals))
    await _write_moved(conn, account, moved.buckets, BUCKET, (RAISE_BUCKETS, LOWER_BUCKETS))
    await _write_moved(conn, account, moved.cells, CELL, (RAISE_CELLS, LOWER_CELLS))


async def _write_moved(
    conn: Connection,
    account: dict[str, int],
    moved: Mapping[Any, int],
    named_by: tuple[str, ...],
    raise_and_lower: tuple[TextClause, TextClause],
) -> None:
    """Raise growing counts, then lower shrinking ones; sorted, so that two writers lock rows in one order."""
    changes = sorted((key, customers) for key, customers in moved.items() if customers)
    raise_counts, lower_counts = raise_and_lower
    if raised := [each for each in changes if each[1] > 0]:
        await conn.execute(raise_counts, account | _count_columns(raised, named_by))
    if lowered := [each for each in changes if each[1] < 0]:
        await change_rows(conn, lower_counts, account | _count_columns(lowered, named_by), rows=len(lowered))


def _count_columns(changes: Sequence[tuple[tuple[Any, ...], int]], named_by: tuple[str, ...]) -> dict[str, Any]:
    columns: dict[str, Any] = {name: [key[place] for key, _ in changes] for place, name in enumerate(named_by)}
    return columns | {"customers": [customers for _, customers in changes]}


# ---------------------------------------------------------------- following the calendar


async def open_boards(conn: Connection, source: Source, periods: Sequence[Period]) -> None:
    """Add boards for these periods and fill them from the orders that are there."""
    if not periods:
        return
    bound = source.key | period_columns(periods)
    opened = [row.board for row in await all_rows(conn, board_statements.INSERT_BOARDS, bound, BoardRow)]
    counted = board_parameters(opened)
    await conn.execute(standings.INSERT_COUNTED_STANDINGS, source.key | counted)
    account = {"account_id": source.account_id, "boards": counted["boards"]}
    await conn.execute(board_statements.SUM_TOTALS, account)
    for insert in (INSERT_COUNTED_BUCKETS, INSERT_COUNTED_CELLS):
        await conn.execute(insert, account | {"bucket_edges": BUCKET_EDGES})


async def close_boards(conn: Connection, source: Source, boards: Sequence[StoredBoard]) -> None:
    """Drop boards: their periods are answered from the orders."""
    if not boards:
        return
    bound = {"account_id": source.account_id, "boards": [board.id for board in boards]}
    for delete in (
        board_statements.DELETE_STANDINGS_OF_BOARDS,
        board_statements.DELETE_BUCKETS_OF_BOARDS,
        board_statements.DELETE_CELLS_OF_BOARDS,
        board_statements.DELETE_BOARDS,
    ):
        await conn.execute(delete, bound)


async def move_board(conn: Connection, source: Source, board: StoredBoard, period: Period) -> None:
    """Let a board count another interval: only customers with purchases between old and new edges are recounted."""
    now = board.period
    touched: set[int] = set()
    for old, new in ((now.counted_from, period.counted_from), (now.counted_until, period.counted_until)):
        if old != new:
            between = source.key | {"since": min(old, new), "until": max(old, new)}
            touched.update((await conn.execute(board_statements.SELECT_BUYERS_BETWEEN, between)).scalars())
    interval = {"counted_from": period.counted_from, "counted_until": period.counted_until}
    key = {"account_id": source.account_id, "board_id": board.id}
    await change_rows(conn, board_statements.SHIFT_BOARD_INTERVAL, key | interval)
    await refresh_on(conn, source, [StoredBoard(board.id, period)], sorted(touched))


async def tend(conn: Connection, source: Source, now: datetime) -> None:
    """Give the source the boards of this day: open new periods, move edges, drop what is no longer kept."""
    while await tend_next(conn, source, now):
        pass


async def tend_next(conn: Connection, source: Source, now: datetime) -> bool:
    """Do the first thing that is missing to the boards of this day, on one board; False when nothing is."""
    kept = {(period.kind, period.start): period for period in source.calendar.kept(now)}
    stored = {(board.period.kind, board.period.start): board for board in await stored_boards(conn, source)}
    for name, board in stored.items():
        if name not in kept:
            await close_boards(conn, source, [board])
            return True
        if board.period != kept[name]:
            await move_board(conn, source, board, kept[name])
            return True
    for name, period in kept.items():
        if name not in stored:
            await open_boards(conn, source, [period])
            return True
    await change_rows(conn, SET_BOARDS_DUE_AT, source.key | {"due_at": source.calendar.next_midnight(now)})
    return False


async def tend_in_steps(database: Database, account_id: int, source_id: int, clock: Clock) -> None:
    """Give the source the boards of this day, each in a transaction of its own, so that writes wait for one at most."""
    is_missing = True
    while is_missing:
        async with database.write_patiently(source_id) as conn:
            source = await lock_source(conn, account_id, source_id)
            is_missing = await tend_next(conn, source, clock())


# ---------------------------------------------------------------- starting afresh, catching up


async def rebuild(conn: Connection, source: Source, now: datetime) -> None:
    """Drop every board and fill those of this day from the orders."""
    source = await lock_source(conn, source.account_id, source.id)
    await close_boards(conn, source, await stored_boards(conn, source))
    await tend(conn, source, now)
    await conn.execute(standings.DELETE_ALL_OUTDATED, source.key)


async def repair(conn: Connection, source: Source, now: datetime) -> None:
    """Make everything that is derived anew: the boards, and the counts of the source."""
    await rebuild(conn, source, now)
    await change_rows(conn, SET_COUNTED, source.key)


async def set_aside(conn: Connection, source: Source, customers: Sequence[int]) -> None:
    """Leave these customers' standings for `catch_up`; until then answers come from the orders."""
    if customers:
        await conn.execute(standings.INSERT_OUTDATED, source.key | {"customers": customers})


class Backlog(NamedTuple):
    """How many customers are set aside, and how many have purchases at all."""

    outdated: int
    ranked: int


async def catch_up(database: Database, source: Source, now: datetime) -> None:
    """Bring the standings that were set aside up to date."""
    while True:
        async with database.write_patiently(source.id) as conn:
            await lock_source(conn, source.account_id, source.id)
            backlog = await one_row(conn, standings.COUNT_OUTDATED, source.key, Backlog)
            if backlog.outdated > CUSTOMERS_AT_ONCE and backlog.outdated * REBUILD_SHARE > backlog.ranked:
                await rebuild(conn, source, now)
                return
            if not backlog.outdated:
                return
            found = await conn.execute(standings.SELECT_OUTDATED, source.key | {"most": CUSTOMERS_AT_ONCE})
            some = list(found.scalars())
            await refresh(conn, source, some)
            await conn.execute(standings.DELETE_OUTDATED, source.key | {"customers": some})
