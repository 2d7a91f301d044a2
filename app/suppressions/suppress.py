"""Suppressing: what happened to addresses is noted for the whole account, and answers about their customers are new.

A suppression is committed first and counts from then on. The versions of the stores follow, one store after the
other, so that nobody waits for a long import: until then a client may still be told that its page is unchanged.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.accounts.statements import SELECT_ACCOUNT_SECRET
from app.boards.address_word import hash_of_address
from app.boards.source import Counts, Source, add_to_counts, lock_source, read_source
from app.database.pools import Connection, Database
from app.database.rows import all_rows, first_row
from app.suppressions.statements import (
    ERASE_SUPPRESSED_ADDRESSES,
    SELECT_ADDRESS_OF_MESSAGE,
    UPSERT_SUPPRESSIONS,
    MessageAddress,
    NotedAddress,
    SourceWithAddress,
    select_sources_with_addresses,
)
from app.vocabulary import SuppressionReason

MOST_SOURCES_BY_ADDRESS = 100
"""For more addresses at once every store of the account is taken for changed."""


@dataclass(slots=True)
class AddressEvents:
    """What happened to one address, and when last."""

    left_at: datetime | None = None
    complained_at: datetime | None = None
    dead_at: datetime | None = None
    opted_in_at: datetime | None = None

    def add(self, reason: SuppressionReason, at: datetime) -> None:
        """Note one more event; the latest of each kind counts."""
        name = EVENT_FIELDS[reason]
        before: datetime | None = getattr(self, name)
        setattr(self, name, at if before is None else max(before, at))


EVENT_FIELDS = {
    SuppressionReason.LEFT: "left_at",
    SuppressionReason.COMPLAINED: "complained_at",
    SuppressionReason.DEAD: "dead_at",
}


async def note_addresses(database: Database, account_id: int, events: dict[str, AddressEvents], by: str) -> set[str]:
    """Note what happened to addresses, in their normal form; returns those that are suppressed now."""
    async with database.write() as conn:
        secret = await address_secret(conn, account_id)
        hashed = [(hash_of_address(secret, email), email, each) for email, each in events.items()]
        bound = {"account_id": account_id, "by": by} | _event_columns(hashed)
        noted = await all_rows(conn, UPSERT_SUPPRESSIONS, bound, NotedAddress)
    return {row.email for row in noted if row.email is not None and row.is_suppressed}


async def suppress_address_of_message(
    database: Database, account_id: int, message_id: int, reason: SuppressionReason, by: str, now: datetime
) -> None:
    """Suppress the address that a message went to; of a message that was not sent yet, the recipient's."""
    events = AddressEvents()
    events.add(reason, now)
    async with database.write() as conn:
        secret = await address_secret(conn, account_id)
        bound = {"account_id": account_id, "message_id": message_id}
        found = await first_row(conn, SELECT_ADDRESS_OF_MESSAGE, bound, MessageAddress)
        if found is None:
            return
        current = None if found.email is None else hash_of_address(secret, found.email)
        went_to = found.address_hash or current
        if went_to is None:
            return
        email = found.email if went_to == current else None
        noted = {"account_id": account_id, "by": by} | _event_columns([(went_to, email, events)])
        await conn.execute(UPSERT_SUPPRESSIONS, noted)
    await renew_answers(database, account_id, [email] if email else [])


async def forget_addresses(conn: Connection, account_id: int, addresses: Sequence[str]) -> None:
    """Keep only the hashes of addresses whose person was erased, unless another customer has them."""
    secret = await address_secret(conn, account_id)
    hashes = [hash_of_address(secret, email) for email in addresses]
    await conn.execute(
        ERASE_SUPPRESSED_ADDRESSES, {"account_id": account_id, "address_hashes": hashes, "addresses": [*addresses]}
    )


async def address_secret(conn: Connection, account_id: int) -> bytes:
    """The secret that the hashes of an account's addresses are made with."""
    secret: bytes = (await conn.execute(SELECT_ACCOUNT_SECRET, {"account_id": account_id})).scalar_one()
    return secret


def _event_columns(hashed: Sequence[tuple[bytes, str | None, AddressEvents]]) -> dict[str, list[Any]]:
    return {
        "address_hashes": [address_hash for address_hash, _, _ in hashed],
        "emails": [email for _, email, _ in hashed],
        "lefts_at": [each.left_at for _, _, each in hashed],
        "complaineds_at": [each.complained_at for _, _, each in hashed],
        "deads_at": [each.dead_at for _, _, each in hashed],
        "opted_ins_at": [each.opted_in_at for _, _, each in hashed],
    }


async def renew_answers(database: Database, account_id: int, emails: Sequence[str]) -> None:
    """Raise the versions of the stores whose customers have one of the addresses; without addresses, of every store."""
    bound = {"account_id": account_id, "emails": [*emails]}
    every = not 0 < len(emails) <= MOST_SOURCES_BY_ADDRESS
    async with database.write() as conn:
        found = await all_rows(conn, select_sources_with_addresses(every=every), bound, SourceWithAddress)
        sources = [await read_source(conn, account_id, row.source_id) for row in found]
    for source in sources:
        await _raise_version(database, source)


async def _raise_version(database: Database, source: Source) -> None:
    async with database.write_in_turn(source.id) as conn:
        await lock_source(conn, source.account_id, source.id)
        await add_to_counts(conn, source, Counts(), contacts_changed=True)
