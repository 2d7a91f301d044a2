"""Ingest: orders of one source, stored as an idempotent upsert, their standings with them.

The source's row is locked first, then everything is read, decided here and written by set.
Versions are ordered by (updated_at, progress of the status), and of equal ones the later arrival
counts; a version without `updated_at` is as new as its arrival, also when it repeats what is
stored. Nothing is written that would change nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from operator import attrgetter

from app.boards.recount import refresh, set_aside
from app.boards.source import SELECT_HAS_ERASED, Counts, Source, add_to_counts, lock_source
from app.database.driver import copy_rows, hot_rows
from app.database.pools import Connection
from app.database.rows import change_rows
from app.orders import statements
from app.orders.normal_form import Order, Refusal
from app.orders.resolve_customers import Resolved, resolve_customers
from app.orders.statements import CONTENT_COLUMNS, ORDER_COLUMNS, KnownOrder
from app.vocabulary import OrderStatus
from app.wire.money import LARGEST_SUM_MINOR
from app.words import Sentence

MOST_SEEN = 100_000
"""Orders of a file that a preview remembers."""
COPIED_FROM_ROWS = 200
"""From this many new orders on they are copied instead of inserted."""

BEYOND_SUMS = (
    "sum_too_large",
    Sentence("All orders of a store together may amount to at most {most} minor units.", most=LARGEST_SUM_MINOR).about(
        "total"
    ),
)
"""The code and the sentence of a refusal: no sum over a store's orders may leave 64 bits."""

PROGRESS = {status.value: progress for progress, status in enumerate(OrderStatus)}


@dataclass(slots=True)
class Tally:
    """How many orders of a batch were created, updated and left as they were."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    beyond_sums: list[Order] = field(default_factory=list)
    """The orders that were refused, see `BEYOND_SUMS`; they are in no other count."""
    repeated: list[Order] = field(default_factory=list)
    """The orders without a version that replaced another one which came in the same file."""

    def add(self, other: "Tally") -> None:
        """Add the counts of another batch."""
        self.created += other.created
        self.updated += other.updated
        self.unchanged += other.unchanged


@dataclass(slots=True)
class Changes:
    """What a batch writes, and the customers whose figures it touches."""

    write: dict[str, tuple[Order, datetime]] = field(default_factory=dict)
    advance: dict[str, datetime] = field(default_factory=dict)
    touched: set[int] = field(default_factory=set)
    moments: set[datetime] = field(default_factory=set)
    """When the orders were placed that count otherwise now."""
    known: dict[str, KnownOrder] = field(default_factory=dict)
    """The orders of the batch as they are known after it."""
    orders: int = 0
    unattributed: int = 0
    foreign_currency: int = 0
    amounts: int = 0

    @property
    def counts(self) -> Counts:
        """What the batch adds to the counts of the source."""
        return Counts(self.orders, self.unattributed, self.foreign_currency, self.amounts)


async def ingest(
    conn: Connection,
    source: Source,
    orders: Sequence[Order],
    now: datetime,
    by: str,
    *,
    began_at: datetime | None = None,
    defer_standings: bool = False,
    asked_at: datetime | None = None,
) -> Tally:
    """Store a batch; with `defer_standings` its customers are set aside for `recount.catch_up`.

    `by` is what the history of consent calls the batch. An order that has come since `began_at`, when its file began,
    is repeated. `asked_at` is when the store was asked, if the batch is its answer: then an equally old version gives
    way, and an order that was deleted before comes back.
    """
    await lock_source(conn, source.account_id, source.id)
    order_ids = sorted({order.order_id for order in orders})
    known = await _known(conn, source, order_ids)
    resolved = await resolve_customers(conn, source, await _telling(conn, source, orders, known, asked_at), now, by)
    if resolved.touched:
        known = await _known(conn, source, order_ids)
    tally, changes = _decide(orders, known, resolved.customer_of, now, began_at, asked_at=asked_at)
    if changes.write or changes.advance or resolved.contacts_changed or changes.touched or resolved.touched:
        amounts = await add_to_counts(conn, source, changes.counts, contacts_changed=resolved.contacts_changed)
        if amounts > LARGEST_SUM_MINOR:
            counted, room = changes, LARGEST_SUM_MINOR - (amounts - changes.amounts)
            tally, changes = _decide(orders, known, resolved.customer_of, now, began_at, asked_at=asked_at, room=room)
            await add_to_counts(conn, source, changes.counts.beyond(counted.counts))
    await _write(conn, source, changes, resolved, known)
    touched = sorted(changes.touched | resolved.touched)
    if defer_standings:
        await set_aside(conn, source, touched)
    else:
        await refresh(conn, source, touched, moments=None if resolved.touched else changes.moments)
    return tally


async def preview_batch(
    conn: Connection, source: Source, orders: Sequence[Order], now: datetime, seen: dict[str, KnownOrder]
) -> Tally:
    """What `ingest` would do with a batch of a file; `seen` are the last orders of the file, and is kept by this."""
    known = await _known(conn, source, sorted({order.order_id for order in orders}))
    known |= {order.order_id: seen[order.order_id] for order in orders if order.order_id in seen}
    tally, changes = _decide(orders, known, lambda _: None, now, now, asked_at=None)
    seen.update(changes.known)
    for order_id in [*islice(seen, max(0, len(seen) - MOST_SEEN))]:
        del seen[order_id]
    return tally


async def bury(conn: Connection, source: Source, order_id: str, now: datetime) -> None:
    """Delete an order: it stays deleted whatever arrives late, and comes back with a later version only."""
    await lock_source(conn, source.account_id, source.id)
    stored = (await _known(conn, source, [order_id])).get(order_id)
    if stored and stored.deleted_at is not None:
        return
    await conn.execute(statements.UPSERT_TOMBSTONE, source.key | {"order_id": order_id, "now": now})
    if stored:
        is_unattributed = stored.customer_id is None
        await add_to_counts(conn, source, Counts(-1, -is_unattributed, -stored.is_foreign, -stored.total))
        await refresh(conn, source, [stored.customer_id] if stored.customer_id else [], [stored.ordered_at])


async def add_refunds(conn: Connection, source: Source, refunds: Sequence[tuple[str, int]]) -> None:
    """Add refunds, `(order id, minor units)`, to the orders that are stored; their next version tells them too."""
    if not refunds:
        return
    order_ids, amounts = (list(column) for column in zip(*refunds, strict=True))
    bound = source.key | {"order_ids": order_ids, "amounts": amounts}
    touched = (await conn.execute(statements.ADD_REFUNDS, bound)).scalars().all()
    if touched:
        await add_to_counts(conn, source, Counts())
    await refresh(conn, source, sorted({each for each in touched if each is not None}))


async def _telling(
    conn: Connection,
    source: Source,
    orders: Sequence[Order],
    known: Mapping[str, KnownOrder],
    asked_at: datetime | None,
) -> Sequence[Order]:
    """The orders of a batch from which customers are found: late ones too, so that arrival makes no difference.

    Once a person of the source was erased, late orders are left out, because they may name that person.
    """
    late = {id(order) for order in orders if _is_late(order, known.get(order.order_id), asked_at)}
    if not late or not (await conn.execute(SELECT_HAS_ERASED, source.key)).scalar_one():
        return orders
    return [order for order in orders if id(order) not in late]


def _is_late(order: Order, stored: KnownOrder | None, asked_at: datetime | None) -> bool:
    if stored is None:
        return False
    if not stored.is_live:
        return not _comes_back(order, stored, asked_at)
    return stored.content_hash != order.content_hash and not _is_newer(order, stored, asked_at)


async def _known(conn: Connection, source: Source, order_ids: Sequence[str]) -> dict[str, KnownOrder]:
    bound = source.key | {"order_ids": order_ids}
    found = await hot_rows(conn, statements.SELECT_KNOWN_ORDERS, bound, KnownOrder)
    return {row.order_id: row for row in found}


def _decide(
    orders: Sequence[Order],
    known: Mapping[str, KnownOrder],
    customer_of: Callable[[Order], int | None],
    now: datetime,
    began_at: datetime | None,
    *,
    asked_at: datetime | None,
    room: int = LARGEST_SUM_MINOR,
) -> tuple[Tally, Changes]:
    """What becomes of each order; all together add at most `room` to the amounts of the source."""
    current, tally, changes = dict(known), Tally(), Changes()
    changes.known = current
    for order in orders:
        before = current.get(order.order_id)
        if before is not None and not _replaces(order, before, asked_at):
            tally.unchanged += 1
            version = order.updated_at or now
            if before.is_live and before.content_hash == order.content_hash and version > before.updated_at:
                current[order.order_id] = before._replace(updated_at=version)
                _advance(changes, order, version)
            continue
        counted_before = before if before is not None and before.is_live else None
        growth = order.total - (counted_before.total if counted_before else 0)
        if growth > 0 and growth > room - changes.amounts:
            tally.beyond_sums.append(order)
            continue
        if before is not None and _is_repeated(order, before, began_at):
            tally.repeated.append(order)
        tally.created += before is None
        tally.updated += before is not None
        version = order.updated_at or (now if before is None else max(now, before.updated_at))
        after = _known_after(order, version, customer_of(order))
        current[order.order_id] = after
        changes.advance.pop(order.order_id, None)
        changes.write[order.order_id] = (order, version)
        _count(changes, counted_before, -1)
        _count(changes, after, 1)
    return tally, changes


def _known_after(order: Order, version: datetime, customer_id: int | None) -> KnownOrder:
    """What is known of an order once it is stored."""
    return KnownOrder(
        order.order_id,
        order.ordered_at,
        version,
        order.status,
        order.content_hash,
        order.total,
        customer_id,
        is_foreign=order.foreign_currency is not None,
        deleted_at=None,
        is_erased=False,
    )


def _advance(changes: Changes, order: Order, version: datetime) -> None:
    if order.order_id in changes.write:
        changes.write[order.order_id] = (order, version)
    else:
        changes.advance[order.order_id] = version


def _is_repeated(order: Order, before: KnownOrder, began_at: datetime | None) -> bool:
    """Whether an order without a version replaces what came since then."""
    return began_at is not None and order.updated_at is None and before.updated_at >= began_at


def _replaces(order: Order, before: KnownOrder, asked_at: datetime | None) -> bool:
    """Whether a version is to be stored in place of another one."""
    if not before.is_live:
        return _comes_back(order, before, asked_at)
    return order.content_hash != before.content_hash and _is_newer(order, before, asked_at)


def _comes_back(order: Order, before: KnownOrder, asked_at: datetime | None) -> bool:
    """Whether the version of a deleted order is later than its deletion, by the store's own word or answer."""
    if before.is_erased or before.deleted_at is None:
        return False
    latest = max(filter(None, (order.updated_at, asked_at)), default=None)
    return latest is not None and latest > before.deleted_at


def _is_newer(order: Order, before: KnownOrder, asked_at: datetime | None) -> bool:
    """Whether the version counts; of equal ones the further one does, then the later arrival, but first the answer."""
    if order.updated_at is None:
        return True
    if asked_at is not None:
        return order.updated_at >= before.updated_at
    return (order.updated_at, PROGRESS[order.status]) >= (before.updated_at, PROGRESS[before.status])


def _count(changes: Changes, order: KnownOrder | None, by: int) -> None:
    if order is not None:
        changes.orders += by
        changes.amounts += by * order.total
        changes.unattributed += by * (order.customer_id is None)
        changes.foreign_currency += by * order.is_foreign
        if order.customer_id is not None:
            changes.touched.add(order.customer_id)
            changes.moments.add(order.ordered_at)


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
        await change_rows(
            conn,
            statements.SET_UPDATED_AT,
            source.key | {"order_ids": order_ids, "updated_at": updated_at},
            rows=len(order_ids),
        )


def beyond_sums(order: Order) -> Refusal:
    """Why an order of `Tally.beyond_sums` was not stored."""
    return Refusal(order.order_id, *BEYOND_SUMS)


content_of = attrgetter(*CONTENT_COLUMNS)


def _row(source: Source, order: Order, version: datetime, resolved: Resolved) -> tuple[object, ...]:
    """The values of ORDER_COLUMNS."""
    guest_email = None if order.external_id else order.email
    return (source.account_id, source.id, resolved.customer_of(order), guest_email, version, *content_of(order))
