"""Resolving customers: which customer each order belongs to, whatever order they arrive in.

A customer is an id of the store, or an e-mail address that has no id yet. An address seen
together with an id belongs to that customer for good, and so do the orders that name the
address alone; if several ids were seen with it, to the smallest. Deciding from the set of
pairs seen, and not from what came first, makes every order of arrival end the same. For the
same reason a customer with an id is called what the newest order with that id says: what a
guest wrote is not taken over, for a smaller id may still turn out to own the address.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from app.boards.source import Source
from app.database.driver import hot_rows
from app.database.pools import Connection
from app.database.rows import all_rows, change_rows
from app.orders import customer_statements as statements
from app.orders.customer_statements import DATE_COLUMNS, KNOWN_COLUMNS, KnownCustomer, NewCustomer, Owner
from app.vocabulary import ChosenMarketing, ConsentWeight


class PersonRow(Protocol):
    """What a row says of a person; `is_about_person` where the row itself is about them, and not an order of theirs."""

    @property
    def external_id(self) -> str | None:
        """The store's own id."""

    @property
    def email(self) -> str | None:
        """The address, in its normal form."""

    @property
    def name(self) -> str | None:
        """The whole name."""

    @property
    def first_name(self) -> str | None:
        """The first name."""

    @property
    def last_name(self) -> str | None:
        """The last name."""

    @property
    def language(self) -> str | None:
        """The language of mails."""

    @property
    def marketing(self) -> str | None:
        """The choice about offers."""

    @property
    def marketing_at(self) -> datetime | None:
        """When it was made."""

    @property
    def seen_at(self) -> datetime:
        """How new all this is."""

    @property
    def is_about_person(self) -> bool:
        """Whether the row is about the person, and not about an order."""


@dataclass(slots=True, eq=False)
class Person:
    """A customer while a batch is stored; `id` is None for a new one.

    `changed` means that there is something to store, `shown_anew` that boards show something else, `chose` that the
    choice about offers is another one.
    """

    id: int | None = None
    external_id: str | None = None
    email: str | None = None
    name: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    language: str | None = None
    marketing: str = ChosenMarketing.NON_SUBSCRIBED
    email_at: datetime | None = None
    name_at: datetime | None = None
    language_at: datetime | None = None
    marketing_weight: str | None = None
    marketing_at: datetime | None = None
    changed: bool = False
    shown_anew: bool = False
    chose: bool = False

    def learn(self, row: PersonRow) -> None:
        """Take contact data over where they are as new or newer; a newer date of the same text is kept too."""
        seen_at = row.seen_at
        if row.email and _is_as_new(seen_at, self.email_at):
            self._change(shown=row.email != self.email, stored=seen_at != self.email_at)
            self.email, self.email_at = row.email, seen_at
        if (row.name or row.first_name or row.last_name) and _is_as_new(seen_at, self.name_at):
            names = (whole_name(row), row.first_name, row.last_name)
            known = (self.name, self.first_name, self.last_name)
            self._change(shown=names != known, stored=seen_at != self.name_at)
            (self.name, self.first_name, self.last_name), self.name_at = names, seen_at
        self.hear(row)

    def hear(self, row: PersonRow) -> None:
        """Take over the language and the choice about offers."""
        if row.language and _is_as_new(row.seen_at, self.language_at):
            self._change(shown=row.language != self.language, stored=row.seen_at != self.language_at)
            self.language, self.language_at = row.language, row.seen_at
        if row.marketing:
            weight = ConsentWeight.DATED if row.marketing_at else ConsentWeight.HINT
            self.choose(row.marketing, weight, row.marketing_at or row.seen_at)

    def choose(self, marketing: str, weight: str, at: datetime) -> None:
        """Take over a choice about offers, unless a weightier or newer one is known."""
        if self.marketing_weight is not None and self.marketing_at is not None:
            known = (WEIGHTS[self.marketing_weight], self.marketing_at)
            if (WEIGHTS[weight], at) < known:
                return
            self._change(shown=marketing != self.marketing, stored=(WEIGHTS[weight], at) != known)
            self.chose |= marketing != self.marketing
        else:
            self._change(shown=marketing != self.marketing, stored=True)
            self.chose = True
        self.marketing, self.marketing_weight, self.marketing_at = marketing, weight, at

    def inherit(self, merged: "Person") -> None:
        """Take over what only the customer merged into this one has said."""
        if merged.marketing_weight is not None and merged.marketing_at is not None:
            chose = self.chose
            self.choose(merged.marketing, merged.marketing_weight, merged.marketing_at)
            self.chose = chose or merged.chose  # its history comes along
        if self.language is None and merged.language is not None:
            self.language, self.language_at = merged.language, merged.language_at
            self._change(shown=True, stored=True)

    def take_missing(self, merged: "Person") -> None:
        """Take over the address and the name of the customer merged into this one, where none is known."""
        if self.email is None and merged.email is not None:
            self.email, self.email_at = merged.email, merged.email_at
            self._change(shown=True, stored=True)
        if self.name is None and merged.name is not None:
            self.name, self.first_name, self.last_name = merged.name, merged.first_name, merged.last_name
            self.name_at = merged.name_at
            self._change(shown=True, stored=True)

    def become(self, external_id: str) -> None:
        """Take the external id; the name that a guest gave no longer counts."""
        self.external_id = external_id
        self.email = self.email_at = self.name = self.first_name = self.last_name = self.name_at = None
        self._change(shown=True, stored=True)

    def _change(self, *, shown: bool, stored: bool) -> None:
        self.shown_anew |= shown
        self.changed |= shown or stored


WEIGHTS: dict[str, int] = {weight: place for place, weight in enumerate(ConsentWeight)}


def whole_name(row: PersonRow) -> str:
    """The name, put together from first and last name where it is not given whole."""
    return row.name or " ".join(each for each in (row.first_name, row.last_name) if each)


def _is_as_new(at: datetime, known_at: datetime | None) -> bool:
    """Whether it counts; of equally new the later arrival does."""
    return known_at is None or at >= known_at


@dataclass(slots=True)
class Resolved:
    """The customers of a batch, and those whose figures have changed by merging."""

    by_id: dict[str, Person] = field(default_factory=dict)
    by_address: dict[str, Person] = field(default_factory=dict)
    created: set[Person] = field(default_factory=set)
    updated: set[Person] = field(default_factory=set)
    touched: set[int] = field(default_factory=set)
    contacts_changed: bool = False

    def person_of(self, row: PersonRow) -> Person | None:
        """The customer; None where the row names nobody."""
        if row.external_id:
            return self.by_id[row.external_id]
        return self.by_address[row.email] if row.email else None

    def customer_of(self, row: PersonRow) -> int | None:
        """The customer's row id; None where the row names nobody."""
        person = self.person_of(row)
        return None if person is None else person.id


async def resolve_customers(
    conn: Connection, source: Source, rows: Sequence[PersonRow], now: datetime, by: str
) -> Resolved:
    """Find, create and merge the customers of these rows; the source is locked. `by` goes into the history."""
    resolved = Resolved()
    await _load(conn, source, rows, resolved)
    owners_before = dict(resolved.by_address)
    persons = set(resolved.by_id.values()) | set(owners_before.values())
    for row in rows:
        _claim(resolved, row)
    merged = _merged_away(owners_before, resolved)
    for address, before in owners_before.items():
        if before in merged:
            resolved.by_address[address].inherit(before)
    await store_persons(conn, source, resolved, persons - merged, now)
    await _hand_over(conn, source, owners_before, resolved, merged, now)
    await _note_choices(conn, source, resolved, by)
    return resolved


async def _load(conn: Connection, source: Source, rows: Sequence[PersonRow], resolved: Resolved) -> None:
    external_ids = sorted({row.external_id for row in rows if row.external_id})
    addresses = sorted({row.email for row in rows if row.email})
    if not external_ids and not addresses:
        return
    asked = source.key | {"addresses": addresses, "external_ids": external_ids}
    owners = await hot_rows(conn, statements.SELECT_OWNERS, asked, Owner)
    ids = {"external_ids": external_ids, "ids": sorted({owner.customer_id for owner in owners})}
    known = await hot_rows(conn, statements.SELECT_KNOWN_CUSTOMERS, source.key | ids, KnownCustomer)
    persons = {row.id: Person(*row) for row in known}
    resolved.by_id = {person.external_id: person for person in persons.values() if person.external_id}
    for owner in owners:
        if owner.email is not None:
            resolved.by_address[owner.email] = persons[owner.customer_id]
        elif owner.external_id is not None:
            resolved.by_id[owner.external_id] = persons[owner.customer_id]


def _claim(resolved: Resolved, row: PersonRow) -> None:
    owner = resolved.by_address.get(row.email) if row.email else None
    if row.external_id is None:
        if row.email is None:
            return
        person = owner or Person(changed=True)
    else:
        person = _known_by_id(resolved, row.external_id, owner)
    if row.email and (owner is None or _gives_way(owner, person)):
        resolved.by_address[row.email] = person
    if person.external_id == row.external_id:
        person.learn(row)
    elif row.is_about_person:
        person.hear(row)


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


async def store_persons(
    conn: Connection, source: Source, resolved: Resolved, persons: Iterable[Person], now: datetime
) -> None:
    """Store the new customers, and the changed ones among `persons`."""
    everyone = dict.fromkeys([*resolved.by_id.values(), *resolved.by_address.values()])
    fresh = [person for person in everyone if person.id is None]
    changed = [person for person in persons if person.changed]
    resolved.created, resolved.updated = set(fresh), set(changed)
    if fresh:
        rows = await all_rows(
            conn, statements.INSERT_CUSTOMERS, source.key | _columns(fresh, KNOWN_COLUMNS) | {"now": now}, NewCustomer
        )
        ids = {(row.external_id, row.external_id or row.email): row.id for row in rows}
        for person in fresh:
            person.id = ids[person.external_id, person.external_id or person.email]
    shown_anew = [person for person in changed if person.shown_anew]
    said_again = [person for person in changed if not person.shown_anew]
    resolved.contacts_changed |= bool(shown_anew)
    if shown_anew:
        bound = source.key | _columns(shown_anew, ("id", *KNOWN_COLUMNS))
        await change_rows(conn, statements.UPDATE_CUSTOMERS, bound, rows=len(shown_anew))
    if said_again:
        bound = source.key | _columns(said_again, ("id", *DATE_COLUMNS))
        await change_rows(conn, statements.UPDATE_DATES, bound, rows=len(said_again))


def _columns(persons: Sequence[Person], columns: Sequence[str]) -> dict[str, Any]:
    return {name: [getattr(person, name) for person in persons] for name in columns}


async def _note_choices(conn: Connection, source: Source, resolved: Resolved, by: str) -> None:
    """Keep in the history what persons have chosen."""
    everyone = dict.fromkeys([*resolved.by_id.values(), *resolved.by_address.values()])
    chose = [person for person in everyone if person.chose]
    if chose:
        noted = {
            "account_id": source.account_id,
            "changed_by": by,
            "customers": [person.id for person in chose],
            "marketings": [person.marketing for person in chose],
            "changeds_at": [person.marketing_at for person in chose],
        }
        await conn.execute(statements.INSERT_TOLD_CONSENTS, noted)


class NewOwner(NamedTuple):
    """An address that belongs to another customer than before; `before` is None when it was nobody's."""

    address: str
    owner: int
    before: int | None


async def _hand_over(
    conn: Connection,
    source: Source,
    owners_before: dict[str, Person],
    resolved: Resolved,
    merged: set[Person],
    now: datetime,
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
        await merge_rows(conn, source, heirs, now)
        resolved.contacts_changed = True


def _new_owners(owners_before: dict[str, Person], resolved: Resolved) -> list[NewOwner]:
    changes = []
    for address, person in sorted(resolved.by_address.items(), key=lambda item: item[0]):
        before = owners_before.get(address)
        if before is not person and person.id is not None:
            changes.append(NewOwner(address, person.id, before.id if before else None))
    return changes


async def merge_rows(conn: Connection, source: Source, heirs: Mapping[int | None, int], now: datetime) -> None:
    """Hand the history of consent and the messages of customers over to their heirs, and delete them.

    Their ids lead to the heirs from then on.
    """
    merged = source.key | {"ids": [*heirs], "heirs": [*heirs.values()]}
    for statement in (
        statements.LOCK_MERGED_CUSTOMERS,
        statements.LOCK_MESSAGES,
        statements.REASSIGN_CONSENT_CHANGES,
        statements.REASSIGN_MESSAGES,
        statements.REASSIGN_MERGED_CUSTOMERS,
    ):
        await conn.execute(statement, merged)
    await conn.execute(statements.INSERT_MERGED_CUSTOMERS, merged | {"now": now})
    await conn.execute(statements.DELETE_MERGED_CUSTOMERS, merged)
