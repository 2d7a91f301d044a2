"""Recounting: boards are made equal to what the orders say; never incremented from an event.

`refresh` follows changed orders, `tend` follows the calendar, `rebuild` starts afresh and
`catch_up` ends what an import set aside. Each is idempotent and runs under the source's lock.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from app.boards import boards as board_statements
from app.boards import source as source_statements
from app.boards import standings
from app.boards.boards import Board, board_of
from app.boards.buckets import BUCKET_EDGES, BUCKETS_FILLED, BUCKETS_LOWERED, BUCKETS_MOVED, least_value
from app.boards.cells import CELLED_KIND, CELLS_FILLED, CELLS_LOWERED, CELLS_MOVED
from app.boards.source import Source, UnknownSource
from app.database.pools import Connection, Database
from app.periods import Period

CUSTOMERS_AT_ONCE = 2_000
"""How many customers' standings go through this process at a time."""

REBUILD_SHARE = 3
"""From a third of all customers on it is faster to fill all boards afresh than to look at each one."""


@dataclass(slots=True)
class Movement:
    """What a refresh moves on one board."""

    customers: int = 0
    purchases: int = 0
    spend: int = 0


@dataclass(slots=True)
class Movements:
    """What a refresh moves: the totals of boards, and how many customers are in each bucket and cell."""

    boards: dict[int, Movement] = field(default_factory=dict)
    buckets: Counter[tuple[int, str, int]] = field(default_factory=Counter)
    cells: Counter[tuple[int, int, int]] = field(default_factory=Counter)


async def lock(conn: Connection, source: Source) -> Source:
    """Become the one writer of this source until the transaction ends; gives it as it is now."""
    row = (await conn.execute(source_statements.locked(source.account_id, source.id))).one_or_none()
    if row is None:
        raise UnknownSource
    return Source(*row)


async def stored_boards(conn: Connection, source: Source) -> list[Board]:
    """The boards that the source has."""
    return [board_of(row) for row in await conn.execute(board_statements.BOARDS, source.key)]


async def refresh(conn: Connection, source: Source, customers: Sequence[int]) -> None:
    """Make these customers' standings equal to their orders, on every board of the source."""
    if customers:
        await refresh_on(conn, source, await stored_boards(conn, source), customers)


async def refresh_on(conn: Connection, source: Source, boards: Sequence[Board], customers: Sequence[int]) -> None:
    """Make these customers' standings equal to their orders, on these boards."""
    if not boards:
        return
    parameters = source.key | standings.figures_parameters(boards)
    for start in range(0, len(customers), CUSTOMERS_AT_ONCE):
        some = {"customers": customers[start : start + CUSTOMERS_AT_ONCE]}
        changes = (await conn.execute(standings.OF_CUSTOMERS_CHANGED, parameters | some)).all()
        if changes:
            celled = {board.id for board in boards if board.period.kind is CELLED_KIND}
            await _write(conn, source, changes, celled)


async def _write(conn: Connection, source: Source, changes: Sequence[Any], celled: set[int]) -> None:
    account = {"account_id": source.account_id}
    written = [change for change in changes if change.purchases is not None]
    removed = [change for change in changes if change.purchases is None]
    if written:
        columns = {
            "boards": [change.board_id for change in written],
            "customers": [change.customer_id for change in written],
            "purchases": [change.purchases for change in written],
            "spends": [change.spend for change in written],
            "last_orders_at": [change.last_order_at for change in written],
        }
        await conn.execute(standings.WRITTEN, account | columns)
    if removed:
        columns = {
            "boards": [change.board_id for change in removed],
            "customers": [change.customer_id for change in removed],
        }
        await conn.execute(standings.REMOVED, account | columns)
    moved = _moved(changes, celled)
    await conn.execute(board_statements.TOTALLED, account | _movement_columns(moved.boards))
    buckets, cells = _columns(moved.buckets, BUCKET_COLUMNS), _columns(moved.cells, CELL_COLUMNS)
    for columns, raised, lowered in ((buckets, BUCKETS_MOVED, BUCKETS_LOWERED), (cells, CELLS_MOVED, CELLS_LOWERED)):
        if columns["boards"]:
            await conn.execute(raised, account | columns)
            if min(columns["customers"]) < 0:
                await conn.execute(lowered, account | columns)


def _moved(changes: Iterable[Any], celled: set[int]) -> Movements:
    moved = Movements()
    for change in changes:
        board_id = change.board_id
        movement = moved.boards.setdefault(board_id, Movement())
        for purchases, spend, by in (
            (change.old_purchases, change.old_spend, -1),
            (change.purchases, change.spend, 1),
        ):
            if purchases is None:
                continue
            movement.customers += by
            movement.purchases += by * purchases
            movement.spend += by * spend
            average = (2 * spend + purchases) // (2 * purchases)
            moved.buckets[board_id, "number_of_purchases", least_value(purchases)] += by
            moved.buckets[board_id, "average_order_amount", least_value(average)] += by
            moved.buckets[board_id, "total_spend", least_value(spend)] += by
            if board_id in celled:
                moved.cells[board_id, least_value(purchases), least_value(spend)] += by
    return moved


def _movement_columns(movements: dict[int, Movement]) -> dict[str, Any]:
    return {
        "boards": [*movements],
        "customers": [movement.customers for movement in movements.values()],
        "purchases": [movement.purchases for movement in movements.values()],
        "spends": [movement.spend for movement in movements.values()],
    }


BUCKET_COLUMNS = ("boards", "metrics", "least_values")
CELL_COLUMNS = ("boards", "least_purchases", "least_spends")


def _columns(places: Mapping[Any, int], names: Sequence[str]) -> dict[str, Any]:
    """The places where a count moves, as columns, and by how many customers."""
    moved = sorted((place, customers) for place, customers in places.items() if customers)
    columns = {name: [place[number] for place, _ in moved] for number, name in enumerate(names)}
    return columns | {"customers": [customers for _, customers in moved]}


async def open_boards(conn: Connection, source: Source, periods: Sequence[Period]) -> None:
    """Add boards for these periods and fill them from the orders that are there."""
    if not periods:
        return
    rows = await conn.execute(board_statements.OPENED, source.key | board_statements.opened_parameters(periods))
    opened = standings.figures_parameters([board_of(row) for row in rows])
    await conn.execute(standings.FILLED, source.key | opened)
    account = {"account_id": source.account_id, "boards": opened["boards"]}
    await conn.execute(board_statements.TOTALLED_ANEW, account)
    for filled in (BUCKETS_FILLED, CELLS_FILLED):
        await conn.execute(filled, account | {"bucket_edges": BUCKET_EDGES})


async def close_boards(conn: Connection, source: Source, boards: Sequence[Board]) -> None:
    """Drop boards: their periods are answered from the orders."""
    parameters = {"account_id": source.account_id, "boards": [board.id for board in boards]}
    if boards:
        for statement in board_statements.EMPTIED:
            await conn.execute(statement, parameters)
        await conn.execute(board_statements.CLOSED, parameters)


async def move_board(conn: Connection, source: Source, board: Board, period: Period) -> None:
    """Let a board count another interval: the customers with purchases between old and new edges are recounted."""
    now = board.period
    shifts = [(now.counted_from, period.counted_from), (now.counted_until, period.counted_until)]
    touched: set[int] = set()
    for old, new in shifts:
        if old != new:
            between = source.key | {"since": min(old, new), "until": max(old, new)}
            touched.update((await conn.execute(board_statements.BUYERS_BETWEEN, between)).scalars())
    edges = {"counted_from": period.counted_from, "counted_until": period.counted_until}
    await conn.execute(board_statements.MOVED, {"account_id": source.account_id, "board_id": board.id} | edges)
    await refresh_on(conn, source, [Board(board.id, period)], sorted(touched))


async def tend(conn: Connection, source: Source, now: datetime) -> None:
    """Give the source the boards of this day: open new periods, move edges, drop what is no longer kept."""
    kept = {(period.kind, period.start): period for period in source.calendar.kept(now)}
    stored = {(board.period.kind, board.period.start): board for board in await stored_boards(conn, source)}
    await close_boards(conn, source, [board for name, board in stored.items() if name not in kept])
    for name, board in stored.items():
        if name in kept and board.period != kept[name]:
            await move_board(conn, source, board, kept[name])
    await open_boards(conn, source, [period for name, period in kept.items() if name not in stored])
    await conn.execute(source_statements.next_due(source.account_id, source.id, source.calendar.next_midnight(now)))


async def rebuild(conn: Connection, source: Source, now: datetime) -> None:
    """Drop every board and fill those of this day from the orders."""
    source = await lock(conn, source)
    await close_boards(conn, source, await stored_boards(conn, source))
    await tend(conn, source, now)
    await conn.execute(standings.ALL_CAUGHT_UP, source.key)


async def set_aside(conn: Connection, source: Source, customers: Sequence[int]) -> None:
    """Leave these customers' standings for `catch_up`; until then answers come from the orders."""
    if customers:
        await conn.execute(standings.SET_ASIDE, source.key | {"customers": customers})


async def catch_up(database: Database, source: Source, now: datetime) -> None:
    """Let the standings that were set aside follow their orders."""
    while True:
        async with database.write_in_turn(source.id) as conn:
            await lock(conn, source)
            behind = (await conn.execute(standings.BEHIND, source.key)).one()
            if behind.outdated > CUSTOMERS_AT_ONCE and behind.outdated * REBUILD_SHARE > behind.ranked:
                await rebuild(conn, source, now)
                return
            if not behind.outdated:
                return
            found = await conn.execute(standings.OUTDATED, source.key | {"most": CUSTOMERS_AT_ONCE})
            some = list(found.scalars())
            await refresh(conn, source, some)
            await conn.execute(standings.CAUGHT_UP, source.key | {"customers": some})
