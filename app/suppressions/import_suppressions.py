"""Importing suppressions: a merchant brings the addresses that another tool must not write to."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from pydantic import ValidationError

from app.accounts.access import Caller
from app.database.pools import Database
from app.forms import as_before_defused
from app.invalid_values import InvalidValueError
from app.orders.normal_form import FieldRefused, Refusal, first_error, moment_in, validated
from app.orders.order_file import OrderFile
from app.orders.read_rows import Records
from app.orders.schemas import ReadAs
from app.suppressions.schemas import SuppressedRow
from app.suppressions.suppress import AddressEvents, note_addresses, renew_answers
from app.vocabulary import SuppressionReason
from app.wire.addresses import normal_address
from app.wire.instants import Clock

MOST_TOLD_REFUSALS = 100
ROW_FIELDS = frozenset(SuppressedRow.model_fields)
VALIDATE_ROW = SuppressedRow.__pydantic_validator__.validate_python


class _NoStore(NamedTuple):
    currency: str = ""
    digits: int = 0
    time_zone: str = "UTC"


NO_STORE = _NoStore()
"""Suppressions belong to no store: they have no amounts, and their times without an offset are in UTC."""


class SuppressedAddress(NamedTuple):
    """What a row says: an address in its normal form, and what happened to it when."""

    address: str
    reason: SuppressionReason
    at: datetime


@dataclass(slots=True)
class TakenFile:
    """The rows of a file, counted; what is neither suppressed nor rejected has opted in since."""

    read_as: ReadAs
    received: int = 0
    suppressed: int = 0
    rejected_count: int = 0
    rejected: list[tuple[int, int, Refusal]] = field(default_factory=list)


async def import_suppressions(
    database: Database,
    caller: Caller,
    file: OrderFile,
    reason: SuppressionReason,
    clock: Clock,
    ask_again: Callable[[], Awaitable[None]],
) -> TakenFile:
    """Suppress the addresses of a file, some thousand at a time; `reason` is that of rows without one.

    `ask_again` is called before each batch; it raises when the caller may no longer do this.
    """
    taken = TakenFile(file.read_as)
    try:
        async for records in file.records():
            await ask_again()
            rows = await asyncio.to_thread(_rows_of, records, reason, clock())
            await _take(database, caller, rows, taken)
    finally:
        if taken.suppressed:
            await renew_answers(database, caller.account_id, [])
    taken.read_as = file.read_as
    return taken


async def _take(
    database: Database, caller: Caller, rows: list[tuple[int, int, SuppressedAddress | Refusal]], taken: TakenFile
) -> None:
    events: dict[str, AddressEvents] = {}
    addresses = []
    for line, last_line, row in rows:
        taken.received += 1
        if isinstance(row, SuppressedAddress):
            addresses.append(row.address)
            events.setdefault(row.address, AddressEvents()).add(row.reason, row.at)
            continue
        taken.rejected_count += 1
        if len(taken.rejected) < MOST_TOLD_REFUSALS:
            taken.rejected.append((line, last_line, row))
    if events:
        suppressed = await note_addresses(database, caller.account_id, events, caller.by)
        taken.suppressed += sum(address in suppressed for address in addresses)


def _rows_of(
    records: Records, reason: SuppressionReason, now: datetime
) -> list[tuple[int, int, SuppressedAddress | Refusal]]:
    return [
        (line, last, row if isinstance(row, Refusal) else _suppressed_address(row, records, reason, now))
        for line, last, row in records.rows()
    ]


def _suppressed_address(
    row: object, records: Records, reason: SuppressionReason, now: datetime
) -> SuppressedAddress | Refusal:
    """What a row says, or the first reason why it cannot be taken."""
    spelling = None if records.table is None else records.table.spelling
    try:
        said, _ = validated(VALIDATE_ROW, row, ROW_FIELDS)
        at = moment_in("since", said.since, now, spelling) if said.since else now
        written = said.address if spelling is None else as_before_defused(said.address)
        return SuppressedAddress(normal_address(written), SuppressionReason(said.reason or reason), min(at, now))
    except ValidationError as invalid:
        return Refusal(None, *first_error(invalid))
    except FieldRefused as refused:
        return Refusal(None, refused.code, refused.detail)
    except InvalidValueError as invalid_address:
        return Refusal(None, "invalid_address", invalid_address.sentence.about("address"))
