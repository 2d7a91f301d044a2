"""Applying what stores say of people: contact data, consent, merged customers, and people to be erased."""

from collections.abc import Sequence
from datetime import datetime

from app.boards.source import Source
from app.customers.change_consent import change_consent
from app.customers.erase_person import erase_person
from app.customers.erase_webhooks import forget_mentions
from app.database.pools import Connection
from app.database.rows import all_rows
from app.orders.customer_form import CustomerEntry, normalised_customer
from app.orders.merge_customers import merge_customers
from app.orders.normal_form import Refusal
from app.orders.store_customers import store_customers
from app.problems import log
from app.sources import inbox_statements as statements
from app.sources.data_requests import INSERT_DATA_REQUEST
from app.sources.inbox_statements import NamedCustomer
from app.sources.read_webhook import Told
from app.sources.shop_events import ConsentSaid, CustomerSeen, CustomersMerged, PersonErased, PersonRequested
from app.wire.addresses import normal_address
from app.wire.ids import public_id
from app.wire.instants import instant

BY_STORE = "store"
"""What the history of consent calls what a store has sent."""


async def apply_customers(conn: Connection, source: Source, said: Sequence[Told], now: datetime) -> None:
    """Contact data of people; newer ones stay."""
    entries: list[CustomerEntry] = []
    for read, event in said:
        if isinstance(event, CustomerSeen):
            entry = normalised_customer(event.row, now)
            if isinstance(entry, Refusal):
                read.refusal = read.refusal or entry
            else:
                entries.append(entry)
    if entries:
        await store_customers(conn, source, entries, now, BY_STORE)


async def apply_consents(conn: Connection, source: Source, said: Sequence[Told], now: datetime) -> None:
    """Explicit choices about offers, each as new as the store says; what an address has said stands above them."""
    for read, event in said:
        if not isinstance(event, ConsentSaid):
            continue
        chosen_at = _moment(event.at, read.received_at, now)
        row = {"customer_id": event.customer_id, "email": event.email, "updated_at": event.at}
        entry = normalised_customer(row, now)
        if isinstance(entry, Refusal):
            read.refusal = read.refusal or entry
            continue
        _, customers = await store_customers(conn, source, [entry], now, BY_STORE)
        await change_consent(conn, source, customers, event.marketing, BY_STORE, chosen_at)


def _moment(written: str | None, otherwise: datetime, now: datetime) -> datetime:
    """A moment as the store writes it, else another one; now at the latest."""
    try:
        return min(instant(written or ""), now)
    except ValueError:
        return min(otherwise, now)


async def merge_people(conn: Connection, source: Source, said: Sequence[Told], now: datetime) -> None:
    """Customers whom the store has put together; ids that are not known here say nothing."""
    for _, event in said:
        if isinstance(event, CustomersMerged):
            merged = await _named(conn, source, event.deleted_id, None)
            if merged:
                kept = CustomerEntry(event.kept_id, None, None, None, None, None, None, None, now)
                _, (heir,) = await store_customers(conn, source, [kept], now, BY_STORE)
                await merge_customers(conn, source, merged[0], heir, now)


async def erase_people(conn: Connection, source: Source, said: Sequence[Told], now: datetime) -> None:
    """People who want to be forgotten, named by the store's id, by an address or by both."""
    for read, event in said:
        if isinstance(event, PersonErased):
            for customer_id in await _named(conn, source, event.customer_id, event.email):
                await erase_person(conn, source, customer_id, now)
            await forget_mentions(conn, source, event.mentions())
            read.forgets = True


async def keep_requests(conn: Connection, source: Source, said: Sequence[Told], now: datetime) -> None:
    """A person wants to know what is stored: the log names the customer, and the operator is told by mail."""
    for read, event in said:
        if isinstance(event, PersonRequested):
            found = await _named(conn, source, event.customer_id, event.email)
            customers = [public_id("cus", each) for each in found]
            log.warning("data request", source_id=source.id, customers=customers)
            asked = {"customers": found, "asked_at": read.received_at, "now": now}
            await conn.execute(INSERT_DATA_REQUEST, source.key | asked)


async def _named(conn: Connection, source: Source, customer_id: str | None, email: str | None) -> list[int]:
    """The customers that a store names: the one with the id, and the guest of the address, or all of an address."""
    try:
        address = normal_address(email) if email else None
    except ValueError:
        address = None
    bound = source.key | {"external_id": customer_id, "email": address}
    return [row.id for row in await all_rows(conn, statements.SELECT_NAMED_CUSTOMERS, bound, NamedCustomer)]
