"""Applying deliveries: what shops have sent becomes orders, by the same normal form and upsert as every other way in.

The webhooks of a source are applied in the order in which they arrived, in batches. What cannot be read is
quarantined with its reason and does not keep its neighbours waiting.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import groupby

from app.boards.source import Source, lock_source
from app.database.pools import Connection
from app.database.rows import all_rows, change_rows
from app.invalid_values import InvalidValueError
from app.orders.ingest import add_refunds, beyond_sums, bury, ingest
from app.orders.normal_form import Order, Refusal, normalised, with_discount_codes
from app.sources import inbox_statements as statements
from app.sources.apply_people import (
    BY_STORE,
    apply_consents,
    apply_customers,
    erase_people,
    keep_requests,
    merge_people,
)
from app.sources.connection_statements import SET_STATE
from app.sources.connector import Connector, StoreWebhook, total_of
from app.sources.delete_store import begin_store_deletion
from app.sources.inbox_statements import KnownRefund, WaitingDelivery
from app.sources.pull_statements import SET_PULL_URGENT
from app.sources.read_webhook import FAULT, ReadWebhook, Told, read_webhook
from app.sources.receive_webhook import about_delivery, identity, packed, unpacked
from app.sources.shop_events import (
    ConsentSaid,
    CustomerSeen,
    CustomersMerged,
    Disconnected,
    OrderDeleted,
    OrderSeen,
    OrderToRead,
    PersonErased,
    PersonRequested,
    RefundMade,
    ShopEvent,
    StoreErased,
)
from app.vault import Vault
from app.vocabulary import ConnectionState
from app.wire.instants import instant
from app.wire.money import minor_units
from app.wire.seals import mention
from app.words import Sentence

GONE = Refusal(None, "erased", Sentence("The content was erased."))


def read_delivery(row: WaitingDelivery, source: Source, connector: Connector, vault: Vault) -> ReadWebhook:
    """Decrypt and parse a webhook; CannotDecryptError where the keys of this process do not fit."""
    if row.content is None:
        return ReadWebhook(row.id, row.received_at, refusal=GONE)
    webhook = unpacked(vault.decrypt(row.content, about_delivery(source.account_id, source.id)))
    return read_webhook(row.id, row.received_at, webhook, connector)


async def settle_deliveries(
    conn: Connection, source: Source, reads: Sequence[ReadWebhook], mention_secret: bytes, now: datetime
) -> int:
    """Apply what is still waiting, in one transaction with its settlement; returns how many webhooks that were."""
    await lock_source(conn, source.account_id, source.id)
    ids = {"account_id": source.account_id, "ids": [each.id for each in reads]}
    waiting = set((await conn.execute(statements.LOCK_DELIVERIES, ids)).scalars())
    mine = [each for each in reads if each.id in waiting]
    if not mine:
        return 0
    said = [(each, event) for each in mine if each.refusal is None for event in each.events]
    await _note_first_delivery(conn, source, now)
    await apply_events(conn, source, said, now)
    await _store_settlement(conn, source, mine, mention_secret, now)
    return len(mine)


async def _store_settlement(
    conn: Connection, source: Source, reads: Sequence[ReadWebhook], mention_secret: bytes, now: datetime
) -> None:
    settled = {
        "account_id": source.account_id,
        "ids": [each.id for each in reads],
        "statuses": [each.status for each in reads],
        "reasons": [each.refusal.code if each.refusal else None for each in reads],
        "details": [str(each.refusal.detail) if each.refusal else None for each in reads],
        "forgets": [each.forgets for each in reads],
        "erased_at": (await conn.execute(statements.SELECT_ERASED_AT, source.key)).scalar_one(),
        "now": now,
    }
    await change_rows(conn, statements.SETTLE_DELIVERIES, settled, rows=len(reads))
    pairs = [(each.id, mention(mention_secret, text)) for each in reads for text in sorted(each.mentions)]
    if pairs:
        ids, mentions = (list(column) for column in zip(*pairs, strict=True))
        bound = {"account_id": source.account_id, "ids": ids, "mentions": mentions}
        await change_rows(conn, statements.SET_MENTIONS, bound, rows=len({*ids}))


async def _note_first_delivery(conn: Connection, source: Source, now: datetime) -> None:
    """A shop whose API nobody opens is live from its first webhook."""
    state = {"state": ConnectionState.LIVE, "reason": None, "before": [ConnectionState.CONNECTING.value]}
    await conn.execute(SET_STATE, source.key | state | {"now": now})


async def quarantine(
    conn: Connection,
    source: Source,
    connector: Connector,
    vault: Vault,
    refused: Sequence[tuple[ReadWebhook, StoreWebhook]],
    now: datetime,
) -> None:
    """Keep documents that were pulled and cannot be used as if webhooks had brought them, once each."""
    for read, webhook in refused:
        refusal = read.refusal or FAULT
        kept = {
            "identity": identity(connector, webhook),
            "topic": connector.topic(webhook),
            "content": vault.encrypt(packed(webhook), about_delivery(source.account_id, source.id)),
            "reason": refusal.code,
            "detail": str(refusal.detail),
            "now": now,
        }
        await conn.execute(statements.INSERT_QUARANTINED, source.key | kept)


async def apply_events(conn: Connection, source: Source, said: Iterable[Told], now: datetime) -> None:
    """Apply events one kind after the other, as they came; a refusal is noted at its webhook.

    What comes after the deletion of the store is not applied: it goes with the store.
    """
    for kind, group in groupby(said, key=lambda each: (type(each[1]), getattr(each[1], "restores", False))):
        await APPLY[kind[0]](conn, source, [*group], now)
        if kind[0] is StoreErased:
            return


async def _apply_orders(conn: Connection, source: Source, said: Sequence[Told], now: datetime) -> None:
    seen = [(read, event) for read, event in said if isinstance(event, OrderSeen)]
    told = await _refunds_by_order(conn, source, {event.order_id for _, event in seen})
    await _store_refunds(conn, source, [each for _, event in seen for each in event.known_refunds()])
    orders: list[Order] = []
    tellers: dict[int, ReadWebhook] = {}
    for read, event in seen:
        order = normalised(with_refunds(event, told.get(event.order_id, {})), source, now)
        if isinstance(order, Refusal):
            read.refusal = read.refusal or order
        else:
            orders.append(with_discount_codes(order, event.discount_codes))
            tellers[id(orders[-1])] = read
    if orders:
        asked_at = now if seen[0][1].restores else None
        tally = await ingest(conn, source, orders, now, BY_STORE, asked_at=asked_at)
        for order in tally.beyond_sums:
            tellers[id(order)].refusal = beyond_sums(order)


def with_refunds(event: OrderSeen, told: Mapping[str, str]) -> dict[str, object]:
    """The row of an order with the refunds that were told before and that this version does not know yet."""
    unknown = [amount for refund_id, amount in told.items() if refund_id not in event.refunds]
    if not unknown:
        return {**event.row}
    return {**event.row, "refunded": total_of([str(event.row.get("refunded") or "0"), *unknown])}


async def _refunds_by_order(conn: Connection, source: Source, order_ids: set[str]) -> dict[str, dict[str, str]]:
    bound = source.key | {"order_ids": sorted(order_ids)}
    told: dict[str, dict[str, str]] = {}
    for each in await all_rows(conn, statements.SELECT_REFUNDS, bound, KnownRefund):
        told.setdefault(each.order_id, {})[each.refund_id] = each.amount
    return told


async def _store_refunds(conn: Connection, source: Source, refunds: Sequence[RefundMade]) -> list[KnownRefund]:
    """Store refunds; returns those that were not known before."""
    if not refunds:
        return []
    distinct = sorted({(each.order_id, each.refund_id): each.amount for each in refunds}.items())
    bound = {
        "order_ids": [order_id for (order_id, _), _ in distinct],
        "refund_ids": [refund_id for (_, refund_id), _ in distinct],
        "amounts": [amount for _, amount in distinct],
    }
    return await all_rows(conn, statements.INSERT_REFUNDS, source.key | bound, KnownRefund)


async def _apply_refunds(conn: Connection, source: Source, said: Sequence[Told], _now: datetime) -> None:
    """A refund counts at once where its order is stored; else it waits for the order."""
    amounts: dict[tuple[str, str], int] = {}
    for read, event in said:
        if isinstance(event, RefundMade):
            try:
                amounts[event.order_id, event.refund_id] = minor_units(event.amount, source.digits)
            except InvalidValueError as error:
                read.refusal = Refusal(event.order_id, "invalid_amount", error.sentence)
    refunds = [event for read, event in said if isinstance(event, RefundMade) and read.refusal is None]
    fresh = await _store_refunds(conn, source, refunds)
    await add_refunds(conn, source, [(each.order_id, amounts[each.order_id, each.refund_id]) for each in fresh])


async def _bury_orders(conn: Connection, source: Source, said: Sequence[Told], now: datetime) -> None:
    for read, event in said:
        if isinstance(event, OrderDeleted):
            await bury(conn, source, event.order_id, _deleted_at(event, read, now))


def _deleted_at(event: OrderDeleted, read: ReadWebhook, now: datetime) -> datetime:
    """When the shop deleted an order: as it says, else when we were told."""
    try:
        told = instant(event.at or "")
    except ValueError:
        told = read.received_at
    return min(told, now)


async def _note_orders_to_read(conn: Connection, source: Source, said: Sequence[Told], now: datetime) -> None:
    order_ids = {event.order_id for _, event in said if isinstance(event, OrderToRead)}
    await conn.execute(statements.UPSERT_ORDERS_TO_READ, source.key | {"order_ids": sorted(order_ids), "now": now})
    await conn.execute(SET_PULL_URGENT, source.key | {"now": now})


async def _disconnect(conn: Connection, source: Source, said: Sequence[Told], now: datetime) -> None:
    for _, event in said:
        if isinstance(event, Disconnected):
            before = [each.value for each in ConnectionState if each != ConnectionState.DISCONNECTED]
            state = {"state": ConnectionState.DISCONNECTED, "reason": event.reason, "before": before, "now": now}
            await conn.execute(SET_STATE, source.key | state)


async def _erase_store(conn: Connection, source: Source, _said: Sequence[Told], now: datetime) -> None:
    await begin_store_deletion(conn, source.account_id, source.id, BY_STORE, now)


APPLY: dict[type[ShopEvent], Callable[[Connection, Source, Sequence[Told], datetime], Awaitable[None]]] = {
    CustomerSeen: apply_customers,
    ConsentSaid: apply_consents,
    CustomersMerged: merge_people,
    PersonErased: erase_people,
    PersonRequested: keep_requests,
    OrderSeen: _apply_orders,
    OrderDeleted: _bury_orders,
    OrderToRead: _note_orders_to_read,
    RefundMade: _apply_refunds,
    Disconnected: _disconnect,
    StoreErased: _erase_store,
}
