"""Ingest: orders of one source, stored as an idempotent upsert, their standings with them.

The source's row is locked first, then everything is read, decided here and written by set.
Versions are ordered by (updated_at, progress of the status, hash of the content); a version
without `updated_at` is as new as its arrival, also when it repeats what is stored. Nothing is
written that would change nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter

from app.boards.recount import refresh, set_aside
from app.boards.source import SELECT_HAS_ERASED, Source, add_to_counts, lock_source
from app.database.driver import copy_rows
from app.database.pools import Connection
from app.database.rows import all_rows
from app.orders import statements
from app.orders.normal_form import Order
from app.orders.resolve_customers import Resolved, resolve_customers
from app.orders.statements import CONTENT_COLUMNS, ORDER_COLUMNS, KnownOrder
from app.vocabulary import OrderStatus

COPIED_FROM_ROWS = 200
"""From this many new orders on they are copied instead of inserted."""

PROGRESS = {status.value: progress for progress, status in enumerate(OrderStatus)}


@dataclass(slots=True)
class Tally:
    """How many orders of a batch were created, updated and left as they were."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0

    def add(self, other: "Tally") -> None:
        """Add another batch."""
        self.created += other.created
        self.updated += other.updated
        self.unchanged += other.unchanged


@dataclass(slots=True)
class Changes:
    """What a batch writes, and the customers whose figures it touches."""

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
    await lock_source(conn, source.account_id, source.id)
    order_ids = sorted({order.order_id for order in orders})
    known = await _known(conn, source, order_ids)
    resolved = await resolve_customers(conn, source, await _telling(conn, source, orders, known), now)
    if resolved.touched:
        known = await _known(conn, source, order_ids)
    tally, changes = _decide(orders, known, resolved, now)
    await _write(conn, source, changes, resolved, known)
    touched = changes.touched | resolved.touched
    if changes.write or changes.advance or resolved.contacts_changed or touched:
        await add_to_counts(
            conn,
            source,
            orders=changes.orders,
            unattributed=changes.unattributed,
            foreign_currency=changes.foreign_currency,
            contacts_changed=resolved.contacts_changed,
        )
    await (set_aside if defer_standings else refresh)(conn, source, sorted(touched))
    return tally


async def bury(conn: Connection, source: Source, order_id: str, now: datetime) -> None:
    """Delete an order for good: it stays deleted whatever arrives late."""
    await lock_source(conn, source.account_id, source.id)
    stored = (await _known(conn, source, [order_id])).get(order_id)
    if stored and stored.is_deleted:
        return
    await conn.execute(statements.UPSERT_TOMBSTONE, source.key | {"order_id": order_id, "now": now})
    if stored:
        is_unattributed = stored.customer_id is None
        await add_to_counts(conn, source, orders=-1, unattributed=-is_unattributed, foreign_currency=-stored.is_foreign)
        await refresh(conn, source, [stored.customer_id] if stored.customer_id else [])


async def _telling(
    conn: Connection, source: Source, orders: Sequence[Order], known: Mapping[str, KnownOrder]
) -> Sequence[Order]:
    """The orders of a batch from which customers are found: late ones too, so that arrival makes no difference.

    Once a person of the source was erased, late orders are left out, because they may name that person.
    """
    late = {id(order) for order in orders if _is_late(order, known.get(order.order_id))}
    if not late or not (await conn.execute(SELECT_HAS_ERASED, source.key)).scalar_one():
        return orders
    return [order for order in orders if id(order) not in late]


def _is_late(order: Order, stored: KnownOrder | None) -> bool:
    if stored is None:
        return False
    if stored.is_deleted or stored.is_erased:
        return True
    return stored.content_hash != order.content_hash and not _is_newer(order, stored)


async def _known(conn: Connection, source: Source, order_ids: Sequence[str]) -> dict[str, KnownOrder]:
    bound = source.key | {"order_ids": order_ids}
    found = await all_rows(conn, statements.SELECT_KNOWN_ORDERS, bound, KnownOrder)
    return {row.order_id: row for row in found}


def _decide(
    orders: Sequence[Order], known: Mapping[str, KnownOrder], resolved: Resolved, now: datetime
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
            version = order.updated_at or now
            if version > before.updated_at:
                current[order.order_id] = before._replace(updated_at=version)
                _advance(changes, order, version)
            continue
        elif not _is_newer(order, before):
            tally.unchanged += 1
            continue
        else:
            tally.updated += 1
        version = order.updated_at or (now if before is None else max(now, before.updated_at))
        after = KnownOrder(
            order.order_id,
            version,
            order.status,
            order.content_hash,
            resolved.customer_of(order),
            is_foreign=order.foreign_currency is not None,
            is_deleted=False,
            is_erased=False,
        )
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


def _is_newer(order: Order, before: KnownOrder) -> bool:
    if order.updated_at is None:
        return True
    return (order.updated_at, PROGRESS[order.status], order.content_hash) > (
        before.updated_at,
        PROGRESS[before.status],
        before.content_hash,
    )


def _count(changes: Changes, order: KnownOrder | None, by: int) -> None:
    if order is not None:
        changes.orders += by
        changes.unattributed += by * (order.customer_id is None)
        changes.foreign_currency += by * order.is_foreign
        if order.customer_id is not None:
            changes.touched.add(order.customer_id)


async def _write(
    conn: Connection, source: Source, changes: Changes, resolved: Resolved, known: Mapping[str, KnownOrder]
) -> None:
    versions = sorted(changes.write.values())
    fresh = [_row(source, *each, resolved) for each in versions if each[0].order_id not in known]
    changed = [_row(source, *each, resolved) for each in versions if each[0].order_id in known]
    if len(fresh) < COPIED_FROM_ROWS:
        fresh, changed = [], fresh + changed
    if fresh:
        await copy_rows(conn, "orders", ORDER_COLUMNS, fresh)
    if changed:
        columns = dict(zip(ORDER_COLUMNS, map(list, zip(*changed, strict=True)), strict=True))
        await conn.execute(statements.UPSERT_ORDERS, columns | source.key)
    if changes.advance:
        order_ids, updated_at = (list(column) for column in zip(*sorted(changes.advance.items()), strict=True))
        await conn.execute(statements.SET_UPDATED_AT, source.key | {"order_ids": order_ids, "updated_at": updated_at})


content_of = attrgetter(*CONTENT_COLUMNS)


def _row(source: Source, order: Order, version: datetime, resolved: Resolved) -> tuple[object, ...]:
    """The values of ORDER_COLUMNS."""
    guest_email = None if order.external_id else order.email
    return (source.account_id, source.id, resolved.customer_of(order), guest_email, version, *content_of(order))
