"""Resolving customers: which customer each order belongs to, whatever order they arrive in.

A customer is an id of the store, or an e-mail address that has no id yet. An address seen
together with an id belongs to that customer for good, and so do the orders that name the
address alone; if several ids were seen with it, to the smallest. Deciding from the set of
pairs seen, and not from what came first, makes every order of arrival end the same. For the
same reason a customer with an id is called what the newest order with that id says: what a
guest wrote is not taken over, for a smaller id may still turn out to own the address.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from app.boards.source import Source
from app.database.pools import Connection
from app.database.rows import all_rows
from app.orders import customer_statements as statements
from app.orders.customer_statements import AddressOwner, KnownCustomer, NewCustomer
from app.orders.normal_form import Order


@dataclass(slots=True, eq=False)
class Person:
    """A customer while a batch is stored; `id` is None for a new one.

    `changed` means that there is something to store, `shown_anew` that boards show something else.
    """

    id: int | None = None
    external_id: str | None = None
    email: str | None = None
    name: str | None = None
    email_at: datetime | None = None
    name_at: datetime | None = None
    changed: bool = False
    shown_anew: bool = False

    def learn(self, order: Order) -> None:
        """Take contact data over where they are newer.

        Of equally new ones the greater text counts, or the later arrival where the store gives no versions.
        A newer date of the same text is kept too: it outdates what arrives late.
        """
        seen_at = order.updated_at or order.ordered_at
        if order.email and _is_newer_contact(seen_at, order.email, self.email_at, self.email, order.updated_at):
            self._change(shown=order.email != self.email, stored=seen_at != self.email_at)
            self.email, self.email_at = order.email, seen_at
        if order.name and _is_newer_contact(seen_at, order.name, self.name_at, self.name, order.updated_at):
            self._change(shown=order.name != self.name, stored=seen_at != self.name_at)
            self.name, self.name_at = order.name, seen_at

    def become(self, external_id: str) -> None:
        """Take the external id; the name that a guest gave no longer counts."""
        self.external_id = external_id
        self.email = self.email_at = self.name = self.name_at = None
        self._change(shown=True, stored=True)

    def _change(self, *, shown: bool, stored: bool) -> None:
        self.shown_anew |= shown
        self.changed |= shown or stored


def _is_newer_contact(
    at: datetime, text: str | None, known_at: datetime | None, known: str | None, version: datetime | None
) -> bool:
    if known_at is None or at > known_at:
        return True
    return at == known_at and (version is None or (text or "") > (known or ""))


@dataclass(slots=True)
class Resolved:
    """The customers of a batch, and those whose figures have changed by merging."""

    by_id: dict[str, Person] = field(default_factory=dict)
    by_address: dict[str, Person] = field(default_factory=dict)
    touched: set[int] = field(default_factory=set)
    contacts_changed: bool = False

    def customer_of(self, order: Order) -> int | None:
        """The customer's row id; None where the order names nobody."""
        if order.external_id:
            return self.by_id[order.external_id].id
        return self.by_address[order.email].id if order.email else None


async def resolve_customers(conn: Connection, source: Source, orders: Sequence[Order], now: datetime) -> Resolved:
    """Find, create and merge the customers of these orders; the source is locked."""
    resolved = Resolved()
    await _load(conn, source, orders, resolved)
    owners_before = dict(resolved.by_address)
    persons = set(resolved.by_id.values()) | set(owners_before.values())
    for order in orders:
        _claim(resolved, order)
    merged = _merged_away(owners_before, resolved)
    await _store_customers(conn, source, resolved, persons - merged, now)
    await _hand_over(conn, source, owners_before, resolved, merged)
    return resolved


async def _load(conn: Connection, source: Source, orders: Sequence[Order], resolved: Resolved) -> None:
    external_ids = sorted({order.external_id for order in orders if order.external_id})
    addresses = sorted({order.email for order in orders if order.email})
    if not external_ids and not addresses:
        return
    owners: list[AddressOwner] = []
    if addresses:
        bound = source.key | {"addresses": addresses}
        owners = await all_rows(conn, statements.SELECT_ADDRESS_OWNERS, bound, AddressOwner)
    ids = {"external_ids": external_ids, "ids": sorted({owner.customer_id for owner in owners})}
    known = await all_rows(conn, statements.SELECT_KNOWN_CUSTOMERS, source.key | ids, KnownCustomer)
    persons = {row.id: Person(*row) for row in known}
    resolved.by_address = {owner.email: persons[owner.customer_id] for owner in owners}
    resolved.by_id = {person.external_id: person for person in persons.values() if person.external_id}


def _claim(resolved: Resolved, order: Order) -> None:
    owner = resolved.by_address.get(order.email) if order.email else None
    if order.external_id is None:
        if order.email is None:
            return
        person = owner or Person(changed=True)
    else:
        person = _known_by_id(resolved, order.external_id, owner)
    if order.email and (owner is None or _gives_way(owner, person)):
        resolved.by_address[order.email] = person
    if person.external_id == order.external_id:
        person.learn(order)


def _known_by_id(resolved: Resolved, external_id: str, owner: Person | None) -> Person:
    person = resolved.by_id.get(external_id)
    if person is None:
        nameless = owner is not None and owner.external_id is None
        person = owner if nameless and owner is not None else Person()
        person.become(external_id)
        resolved.by_id[external_id] = person
    return person


def _gives_way(owner: Person, claimant: Person) -> bool:
    if claimant.external_id is None:
        return False
    return owner.external_id is None or claimant.external_id < owner.external_id


def _merged_away(owners_before: dict[str, Person], resolved: Resolved) -> set[Person]:
    return {
        before
        for address, before in owners_before.items()
        if before is not resolved.by_address[address] and before.external_id is None
    }


async def _store_customers(
    conn: Connection, source: Source, resolved: Resolved, persons: Iterable[Person], now: datetime
) -> None:
    everyone = dict.fromkeys([*resolved.by_id.values(), *resolved.by_address.values()])
    fresh = [person for person in everyone if person.id is None]
    changed = [person for person in persons if person.shown_anew]
    dated = [person for person in persons if person.changed and not person.shown_anew]
    if fresh:
        bound = source.key | _contacts(fresh) | _dates(fresh) | {"now": now}
        rows = await all_rows(conn, statements.INSERT_CUSTOMERS, bound, NewCustomer)
        ids = {(row.external_id, row.external_id or row.email): row.id for row in rows}
        for person in fresh:
            person.id = ids[person.external_id, person.external_id or person.email]
    if changed:
        resolved.contacts_changed = True
        ids_changed = {"ids": [person.id for person in changed]}
        await conn.execute(statements.UPDATE_CUSTOMERS, source.key | _contacts(changed) | _dates(changed) | ids_changed)
    if dated:
        ids_dated = {"ids": [person.id for person in dated]}
        await conn.execute(statements.SET_CONTACT_DATES, source.key | _dates(dated) | ids_dated)


def _contacts(persons: Sequence[Person]) -> dict[str, Any]:
    return {
        "external_ids": [person.external_id for person in persons],
        "emails": [person.email for person in persons],
        "names": [person.name for person in persons],
    }


def _dates(persons: Sequence[Person]) -> dict[str, Any]:
    return {
        "emails_at": [person.email_at for person in persons],
        "names_at": [person.name_at for person in persons],
    }


class NewOwner(NamedTuple):
    """An address that belongs to another customer than before; `before` is None when it was nobody's."""

    address: str
    owner: int
    before: int | None


async def _hand_over(
    conn: Connection, source: Source, owners_before: dict[str, Person], resolved: Resolved, merged: set[Person]
) -> None:
    """Give addresses, and the guest orders of each, to their new owners; merge the customers who have none left."""
    changes = _new_owners(owners_before, resolved)
    if not changes:
        return
    owners = {"addresses": [each.address for each in changes], "customers": [each.owner for each in changes]}
    await conn.execute(statements.UPSERT_ADDRESS_OWNERS, source.key | owners)
    moved = [each for each in changes if each.before is not None]
    if moved:
        orders = {
            "addresses": [each.address for each in moved],
            "owners": [each.before for each in moved],
            "heirs": [each.owner for each in moved],
        }
        await conn.execute(statements.REASSIGN_GUEST_ORDERS, source.key | orders)
        resolved.touched.update(each.owner for each in moved)
        resolved.touched.update(each.before for each in moved if each.before is not None)
    merged_ids = {person.id for person in merged}
    heirs = {each.before: each.owner for each in moved if each.before in merged_ids}
    if heirs:
        await _merge(conn, source.key | {"ids": [*heirs], "heirs": [*heirs.values()]})
        resolved.contacts_changed = True


def _new_owners(owners_before: dict[str, Person], resolved: Resolved) -> list[NewOwner]:
    changes = []
    for address, person in sorted(resolved.by_address.items(), key=lambda item: item[0]):
        before = owners_before.get(address)
        if before is not person and person.id is not None:
            changes.append(NewOwner(address, person.id, before.id if before else None))
    return changes


async def _merge(conn: Connection, merged: dict[str, Any]) -> None:
    """Hand consent, language and messages of the customers `ids` over to their `heirs`, and delete them."""
    for statement in (
        statements.LOCK_MERGED_CUSTOMERS,
        statements.LOCK_MESSAGES,
        statements.REASSIGN_CONSENT_CHANGES,
        statements.INHERIT_MARKETING,
        statements.INHERIT_LANGUAGE,
        statements.REASSIGN_MESSAGES,
        statements.DELETE_MERGED_CUSTOMERS,
    ):
        await conn.execute(statement, merged)
