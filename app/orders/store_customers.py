"""Storing customers: people of a store as a list names them, with or without orders."""

import asyncio
from collections.abc import Sequence
from datetime import datetime

from app.boards.recount import refresh, set_aside
from app.boards.source import Counts, Source, add_to_counts, lock_source
from app.database.pools import Connection
from app.orders.customer_form import CustomerEntry, normalised_customer
from app.orders.import_orders import ImportKind
from app.orders.ingest import Tally
from app.orders.normal_form import Refusal
from app.orders.read_rows import Records
from app.orders.resolve_customers import Person, Resolved, resolve_customers


async def store_customers(
    conn: Connection,
    source: Source,
    entries: Sequence[CustomerEntry],
    now: datetime,
    by: str,
    *,
    defer_standings: bool = False,
) -> tuple[Tally, list[int]]:
    """Store a batch; returns the counts, and the customer of each entry.

    With `defer_standings` customers whose orders have another owner now are set aside for `recount.catch_up`.
    """
    await lock_source(conn, source.account_id, source.id)
    resolved = await resolve_customers(conn, source, entries, now, by)
    if resolved.contacts_changed or resolved.created or resolved.touched:
        await add_to_counts(conn, source, Counts(), contacts_changed=True)
    await (set_aside if defer_standings else refresh)(conn, source, sorted(resolved.touched))
    return _tally(entries, resolved), [resolved.customer_of(each) or 0 for each in entries]


def _tally(entries: Sequence[CustomerEntry], resolved: Resolved) -> Tally:
    """How many entries made a customer, changed one, and changed nothing; of several about one person the first."""
    tally, seen = Tally(), set[Person | None]()
    for entry in entries:
        person = resolved.person_of(entry)
        if person in seen:
            tally.unchanged += 1
            continue
        seen.add(person)
        tally.created += person in resolved.created
        tally.updated += person in resolved.updated
        tally.unchanged += person not in resolved.created | resolved.updated
    return tally


async def read_customers(
    records: Records, _source: Source, now: datetime
) -> tuple[list[tuple[int, int, CustomerEntry | Refusal]], int]:
    """The people in the records, read in a thread, and how many records were read: all."""
    return await asyncio.to_thread(_read_here, records, now), len(records.records)


def _read_here(records: Records, now: datetime) -> list[tuple[int, int, CustomerEntry | Refusal]]:
    spelling = None if records.table is None else records.table.spelling
    return [
        (first, last, row if isinstance(row, Refusal) else normalised_customer(row, now, spelling))
        for first, last, row in records.rows()
    ]


async def _store(
    conn: Connection,
    source: Source,
    entries: Sequence[CustomerEntry],
    now: datetime,
    by: str,
    *,
    began_at: datetime,  # noqa: ARG001 - only orders are told when they are repeated
    defer_standings: bool,
) -> Tally:
    tally, _ = await store_customers(conn, source, entries, now, by, defer_standings=defer_standings)
    return tally


CUSTOMERS_OF_FILE = ImportKind(read_customers, _store)
"""Rows that are people."""
