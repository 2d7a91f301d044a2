"""Settling the inbox: the worker's loop, which turns the webhooks of one source after the other into orders.

A batch is decrypted and read before its transaction begins. When a batch fails, its webhooks are applied one by one,
so that one that cannot be applied is quarantined and the others are not kept waiting.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic

from app.boards.source import read_source
from app.database.errors import problem_of
from app.database.pools import Database
from app.database.rows import all_rows, first_row
from app.problems import InternalError, log, places
from app.sources.apply_deliveries import read_delivery, settle_deliveries
from app.sources.connectors import Connectors
from app.sources.inbox_statements import (
    SELECT_RECEIVER,
    SELECT_WAITING_DELIVERIES,
    SELECT_WAITING_SOURCES,
    ReceiverRow,
    WaitingDelivery,
    WaitingSource,
)
from app.sources.read_webhook import FAULT, ReadWebhook
from app.vault import Vault
from app.wire.instants import Clock

DELIVERIES_AT_ONCE = 100
INBOX_POLL_SECONDS = 0.5
INBOX_RETRY_SECONDS = 5.0
"""How long the loop rests after a round that failed."""


@dataclass(frozen=True, slots=True)
class Inbox:
    """The webhooks that wait, and what is needed to settle them."""

    database: Database
    vault: Vault
    connectors: Connectors
    clock: Clock
    _resting: dict[WaitingSource, float] = field(default_factory=dict)
    """Until when a source is left alone that could not be settled."""

    async def run(self, stop: asyncio.Event) -> None:
        """Settle what arrives until told to stop."""
        while not stop.is_set():
            pause = INBOX_POLL_SECONDS
            try:
                while await self.settle_some() and not stop.is_set():
                    pass
            except Exception as error:  # noqa: BLE001 - whatever fails now may work in the next round
                log.error("settling the inbox failed", kind=type(error).__name__, at=places(error))
                pause = INBOX_RETRY_SECONDS
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause)

    async def settle_all(self) -> None:
        """Settle everything that waits now."""
        while await self.settle_some():
            pass

    async def settle_some(self) -> int:
        """Settle a batch of every source that has webhooks waiting; returns how many were settled."""
        async with self.database.read() as conn:
            waiting = await all_rows(conn, SELECT_WAITING_SOURCES, {}, WaitingSource)
        settled = 0
        for each in waiting:
            if self._resting.get(each, 0.0) > monotonic():
                continue
            try:
                settled += await self._settle_source(each)
                self._resting.pop(each, None)
            except Exception as error:  # noqa: BLE001 - one source must not stop the others
                self._resting[each] = monotonic() + INBOX_RETRY_SECONDS
                log.error("settling failed", source_id=each.source_id, kind=type(error).__name__, at=places(error))
        return settled

    async def _settle_source(self, each: WaitingSource) -> int:
        """Settle a batch of a source; what is of a platform without a connector, or of a closed account, stays."""
        key = each._asdict()
        async with self.database.write() as conn:  # a replica may not have the newest webhooks yet
            receiver = await first_row(conn, SELECT_RECEIVER, {"source_id": each.source_id}, ReceiverRow)
            source = await read_source(conn, each.account_id, each.source_id)
            bound = key | {"limit": DELIVERIES_AT_ONCE}
            rows = await all_rows(conn, SELECT_WAITING_DELIVERIES, bound, WaitingDelivery)
        connector = self.connectors.find(receiver.platform) if receiver else None
        if receiver is None or connector is None or not rows:
            return 0

        def read_all() -> list[ReadWebhook]:
            return [read_delivery(row, source, connector, self.vault) for row in rows]

        reads = await asyncio.to_thread(read_all)

        async def apply(some: Sequence[ReadWebhook]) -> int:
            async with self.database.write_in_turn(source.id) as conn:
                return await settle_deliveries(conn, source, some, receiver.mention_secret, self.clock())

        try:
            return await apply(reads)
        except Exception as error:
            if not isinstance(problem_of(error), InternalError):
                raise
            return sum([await _apply_alone(apply, read) for read in reads])


async def _apply_alone(apply: Callable[[Sequence[ReadWebhook]], Awaitable[int]], read: ReadWebhook) -> int:
    """Apply one webhook; one that cannot be applied is quarantined."""
    try:
        return await apply([read])
    except Exception as error:
        if not isinstance(problem_of(error), InternalError):
            raise
        log.error("applying a webhook failed", kind=type(error).__name__, at=places(error))
        read.refusal = FAULT
        return await apply([read])
