"""Ingest: orders of one source, stored as an idempotent upsert, their standings with them.

The source's row is locked first, then everything is read, decided here and written by set.
Versions are ordered by (updated_at, progress of the status, hash of the content); a version
without `updated_at` is as new as its arrival. Nothing is written that would change nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from app.boards import source as source_statements
from app.boards.recount import lock, refresh, set_aside
from app.boards.source import Source
from app.database.driver import copy_rows
from app.database.pools import Connection
from app.orders import ledger
from app.orders.normal_form import Order
from app.orders.resolve_customers import Resolved, resolve
from app.tables import ORDER_STATUSES

COPIED_FROM_ROWS = 200
"""From so many new orders on they are copied in."""

PROGRESS = {status: progress for progress, status in enumerate(ORDER_STATUSES)}


class Stored(NamedTuple):
    """What is known of an order before a version of it is looked at."""

    updated_at: datetime
    status: str
    content_hash: int
    customer_id: int | None
    is_foreign: bool
    is_deleted: bool
    is_erased: bool = False


@dataclass(slots=True)
class Tally:
    """What became of the orders of a batch."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0

    def add(self, other: "Tally") -> None:
        """The sum of two batches."""
        self.created += other.created
        self.updated += other.updated
        self.unchanged += other.unchanged


@dataclass(slots=True)
class Changes:
    """What a batch will write, and whose figures it touches."""

    write: dict[str, tuple[Order, datetime]] = field(default_factory=dict)
    advance: dict[str, datetime] = field(default_factory=dict)
    touched: set[int] = field(default_factory=set)
    orders: int = 0
    unattributed: int = 0
    foreign_currency: int = 0


async def ingest(
    conn: Connection, source: Source, orders: Sequence[Order], now: datetime, *, defer_standings: bool = False
) -> Tally:
    """Store a batch; with `defer_standings` its customers are set aside for `recount.catch_up`."""
    await lock(conn, source)
    known = await _known(conn, source, orders)
    resolved = await resolve(conn, source, await _telling(conn, source, orders, known), now)
    if resolved.touched:
        known = await _known(conn, source, orders)
    tally, changes = _decide(orders, known, resolved, now)
    await _write(conn, source, changes, resolved, known)
    touched = changes.touched | resolved.touched
    if changes.write or changes.advance or resolved.contacts_changed or touched:
        await _count_source(conn, source, changes, contacts=resolved.contacts_changed)
    await (set_aside if defer_standings else refresh)(conn, source, sorted(touched))
    return tally


async def bury(conn: Connection, source: Source, order_id: str, now: datetime) -> None:
    """Delete an order for good: it stays deleted whatever arrives late."""
    await lock(conn, source)
    row = (await conn.execute(ledger.KNOWN, source.key | {"order_ids": [order_id]})).one_or_none()
    stored = Stored(*row[1:]) if row else None
    if stored and stored.is_deleted:
        return
    await conn.execute(ledger.BURIED, source.key | {"order_id": order_id, "now": now})
    if stored:
        gone = Changes(orders=-1, unattributed=-(stored.customer_id is None), foreign_currency=-int(stored.is_foreign))
        await _count_source(conn, source, gone, contacts=False)
        await refresh(conn, source, [stored.customer_id] if stored.customer_id else [])


async def _telling(
    conn: Connection, source: Source, orders: Sequence[Order], known: Mapping[str, Stored]
) -> Sequence[Order]:
    """The versions that tell who customers are.

    All of them do, so that every order of arrival ends the same, until a person was erased:
    from then on a version that changes nothing might only bring back what was to be forgotten.
    """
    late = {id(order) for order in orders if _is_late(order, known.get(order.order_id))}
    if not late or not (await conn.execute(source_statements.has_erased(*source.key.values()))).scalar_one():
        return orders
    return [order for order in orders if id(order) not in late]


def _is_late(order: Order, stored: Stored | None) -> bool:
    if stored is None:
        return False
    if stored.is_deleted or stored.is_erased:
        return True
    return stored.content_hash != order.content_hash and not _is_newer(order, stored)


async def _count_source(conn: Connection, source: Source, changes: Changes, *, contacts: bool) -> None:
    moved = source_statements.counted(
        source.account_id,
        source.id,
        orders=changes.orders,
        unattributed=changes.unattributed,
        foreign_currency=changes.foreign_currency,
        contacts=contacts,
    )
    await conn.execute(moved)


async def _known(conn: Connection, source: Source, orders: Sequence[Order]) -> dict[str, Stored]:
    order_ids = sorted({order.order_id for order in orders})
    found = await conn.execute(ledger.KNOWN, source.key | {"order_ids": order_ids})
    return {row[0]: Stored(*row[1:]) for row in found}


def _decide(
    orders: Sequence[Order], known: Mapping[str, Stored], resolved: Resolved, now: datetime
) -> tuple[Tally, Changes]:
    current, tally, changes = dict(known), Tally(), Changes()
    for order in orders:
        before = current.get(order.order_id)
        if before is None:
            tally.created += 1
        elif before.is_deleted or before.is_erased:
            tally.unchanged += 1
            continue
        elif before.content_hash == order.content_hash:
            tally.unchanged += 1
            if order.updated_at and order.updated_at > before.updated_at:
                current[order.order_id] = before._replace(updated_at=order.updated_at)
                _advance(changes, order, order.updated_at)
            continue
        elif not _is_newer(order, before):
            tally.unchanged += 1
            continue
        else:
            tally.updated += 1
        version = order.updated_at or (now if before is None else max(now, before.updated_at))
        after = Stored(
            version, order.status, order.content_hash, resolved.customer_of(order), order.foreign_currency is not None,
            is_deleted=False,
        )  # fmt: skip
        current[order.order_id] = after
        changes.advance.pop(order.order_id, None)
        changes.write[order.order_id] = (order, version)
        _count(changes, before, -1)
        _count(changes, after, 1)
    return tally, changes


def _advance(changes: Changes, order: Order, version: datetime) -> None:
    if order.order_id in changes.write:
        changes.write[order.order_id] = (order, version)
    else:
        changes.advance[order.order_id] = version


def _is_newer(order: Order, before: Stored) -> bool:
    if order.updated_at is None:
        return True
    return (order.updated_at, PROGRESS[order.status], order.content_hash) > (
        before.updated_at,
        PROGRESS[before.status],
        before.content_hash,
    )


def _count(changes: Changes, order: Stored | None, by: int) -> None:
    if order is not None:
        changes.orders += by
        changes.unattributed += by * (order.customer_id is None)
        changes.foreign_currency += by * order.is_foreign
        if order.customer_id is not None:
            changes.touched.add(order.customer_id)


async def _write(
    conn: Connection, source: Source, changes: Changes, resolved: Resolved, known: Mapping[str, Stored]
) -> None:
    versions = sorted(changes.write.values())
    fresh = [_row(source, *each, resolved) for each in versions if each[0].order_id not in known]
    changed = [_row(source, *each, resolved) for each in versions if each[0].order_id in known]
    if len(fresh) < COPIED_FROM_ROWS:
        fresh, changed = [], fresh + changed
    if fresh:
        await copy_rows(conn, "orders", ledger.WRITTEN_COLUMNS, fresh)
    if changed:
        columns = dict(zip(ledger.WRITTEN_COLUMNS, map(list, zip(*changed, strict=True)), strict=True))
        await conn.execute(ledger.WRITTEN, columns | source.key)
    if changes.advance:
        order_ids, updated_at = (list(column) for column in zip(*sorted(changes.advance.items()), strict=True))
        await conn.execute(ledger.ADVANCED, source.key | {"order_ids": order_ids, "updated_at": updated_at})


def _row(source: Source, order: Order, version: datetime, resolved: Resolved) -> tuple[object, ...]:
    guest_email = None if order.external_id else order.email
    return (
        *(source.account_id, source.id, order.order_id, resolved.customer_of(order), guest_email, order.ordered_at),
        *(order.total, order.refunded, order.foreign_currency, order.items, order.status, version),
        *(order.content_hash, order.test),
    )
