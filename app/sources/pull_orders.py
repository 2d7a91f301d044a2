"""Pulling: the worker asks shops for their orders, first for all, then every few minutes for what has changed.

Each page is applied in one transaction with the cursor behind it, so a round that breaks off is taken up where it
ended. A round leases its connection; what a shop refuses or does not answer is tried again later and later.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from app.boards.source import Source, lock_source, read_source
from app.database.pools import Connection, Database
from app.database.rows import all_rows, change_rows, first_row
from app.problems import log, places
from app.sources import pull_statements as statements
from app.sources.apply_deliveries import apply_events, quarantine
from app.sources.connections import Connections, hook_address
from app.sources.connector import Connector, LoginRefusedError, PulledPage, ShopAccess, ShopToken, TryLaterError, Wanted
from app.sources.pull_statements import ClaimedPull, DuePull
from app.sources.read_webhook import FAULT, Told, read_webhook
from app.sources.secrets import ConnectionSecrets, decrypted
from app.sources.shop_events import OrderSeen
from app.vocabulary import ConnectionState
from app.web.calls import CallFailedError
from app.wire.instants import Clock

PULL_POLL_SECONDS = 1.0
PULLS_AT_ONCE = 4
PULL_LEASE = timedelta(seconds=30)
HEARTBEATS_PER_PULL_LEASE = 3
RECONCILE_EVERY = timedelta(minutes=5)
OVERLAP = timedelta(minutes=10)
"""How far before the last round a round begins: clocks differ, and a shop may show a change some moments late."""
READ_AGAIN_AT_ONCE = 50
DEGRADED_FROM_FAILURES = 3
FIRST_RETRY, LONGEST_RETRY = timedelta(seconds=15), timedelta(hours=1)
CLOSED_PAUSE = timedelta(hours=1)
NO_PUBLIC_URL = "no_public_url"


def _pause_after(failures: int) -> timedelta:
    """How long a shop is left alone after a failure: twice as long each time."""
    doubled: timedelta = FIRST_RETRY * 2 ** min(failures, 10)
    return min(doubled, LONGEST_RETRY)


class LeaseLostError(Exception):
    """Another worker pulls for this connection now."""


@dataclass(slots=True)
class Round:
    """One round of a connection."""

    source: Source
    platform: str
    connector: Connector
    secrets: ConnectionSecrets
    access: ShopAccess
    pull: ClaimedPull
    lease: datetime
    progress: Callable[[int, int | None], None] = lambda _orders, _expected: None
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Who holds it may change the lease."""


@dataclass(slots=True)
class Pulls:
    """The rounds of one worker."""

    database: Database
    connections: Connections
    clock: Clock
    site_url: str | None
    """Where shops reach this service; None where nobody has said."""
    _tokens: dict[tuple[int, int], ShopToken | None] = field(default_factory=dict)

    async def run(self, stop: asyncio.Event) -> None:
        """Ask the shops that are due, some at a time, until told to stop."""
        under_way: dict[DuePull, asyncio.Task[None]] = {}
        try:
            while not stop.is_set():
                under_way = {each: task for each, task in under_way.items() if not task.done()}
                for each in await self._due():
                    if len(under_way) < PULLS_AT_ONCE and each not in under_way:
                        under_way[each] = asyncio.create_task(self.pull(each))
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), PULL_POLL_SECONDS)
        finally:
            for task in under_way.values():
                task.cancel()
            await asyncio.gather(*under_way.values(), return_exceptions=True)

    async def pull_all(self) -> None:
        """Ask every shop that is due now, one after the other."""
        for each in await self._due():
            await self.pull(each)

    async def _due(self) -> list[DuePull]:
        try:
            async with self.database.read() as conn:
                return await all_rows(conn, statements.SELECT_DUE_PULLS, {"now": self.clock()}, DuePull)
        except Exception as error:  # noqa: BLE001 - the database may be back in a moment
            log.error("looking for shops failed", kind=type(error).__name__)
            return []

    async def pull(self, due: DuePull, progress: Callable[[int, int | None], None] | None = None) -> None:
        """One round; what fails is noted at the connection and tried again later."""
        try:
            one = await self._begun(due)
            if one is None:
                return
            if progress is not None:
                one.progress = progress
            await self._try(one)
        except LeaseLostError:
            log.info("pull taken over", source_id=due.source_id)
        except Exception as error:  # noqa: BLE001 - the lease ends, and another round tries again
            log.error("pull failed", source_id=due.source_id, kind=type(error).__name__, at=places(error))

    async def _try(self, one: Round) -> None:
        try:
            await self._run_with_lease(one)
        except LoginRefusedError:
            await self._note_failure(one, "login_refused", None)
        except TryLaterError as busy:
            await self._note_failure(one, None, timedelta(seconds=busy.args[0]))
        except CallFailedError as failed:
            await self._note_failure(one, failed.code, _pause_after(one.pull.failures))
        except LeaseLostError:
            raise
        except Exception as error:  # noqa: BLE001 - a document that nobody foresaw, or a database that is away
            log.error("pull failed", source_id=one.source.id, kind=type(error).__name__, at=places(error))
            await self._note_failure(one, FAULT.code, _pause_after(one.pull.failures))
        finally:
            self._tokens[one.source.account_id, one.source.id] = one.access.token

    async def _begun(self, due: DuePull) -> Round | None:
        """Lease the connection; None where another worker has it, or there is nothing to be asked."""
        now, key = self.clock(), due._asdict()
        async with self.database.write() as conn:
            claim = key | {"now": now, "lease": now + PULL_LEASE}
            claimed = await first_row(conn, statements.CLAIM_PULL, claim, ClaimedPull)
            if claimed is None:
                return None
            platform = (await conn.execute(statements.SELECT_PLATFORM, key)).scalar_one_or_none()
            connector = self.connections.connectors.find(platform or "")
            if platform is None or connector is None:
                await conn.execute(statements.SET_PULL_DUE_AT, key | {"due_at": now + CLOSED_PAUSE})
                return None
            source = await read_source(conn, *due)
        secrets = decrypted(self.connections.vault, *due, claimed.secrets)
        token = self._tokens.get((due.account_id, due.source_id))
        access = ShopAccess(self.connections.web, secrets.credentials, self.clock, token)
        return Round(source, platform, connector, secrets, access, claimed, now + PULL_LEASE)

    # ------------------------------------------------------------ a round

    async def _run_with_lease(self, one: Round) -> None:
        heartbeat = asyncio.create_task(self._keep_lease(one))
        try:
            await self._run_round(one)
        finally:
            async with one.turn:
                heartbeat.cancel()

    async def _keep_lease(self, one: Round) -> None:
        """Extend the lease as long as this process lives: a shop may take minutes to prepare an answer."""
        while True:
            await asyncio.sleep(PULL_LEASE.total_seconds() / HEARTBEATS_PER_PULL_LEASE)
            async with one.turn:
                lease = self.clock() + PULL_LEASE
                fence = {"lease": one.lease, "next_lease": lease}
                try:
                    async with self.database.write() as conn:
                        await change_rows(conn, statements.EXTEND_PULL_LEASE, one.source.key | fence)
                except LookupError:
                    return  # another worker has taken over, and the next page tells
                except Exception as error:  # noqa: BLE001 - whatever it is, the next heartbeat may work
                    log.error("lease of a pull not kept", kind=type(error).__name__)
                else:
                    one.lease = lease

    async def _run_round(self, one: Round) -> None:
        await self._subscribe(one)
        await self._read_again(one)
        since = one.pull.pulled_until - OVERLAP if one.pull.pulled_until else None
        if since is None:
            await self._set_state(one, ConnectionState.BACKFILLING, None)
        asked_at = self.clock()
        async for page in one.connector.pull(one.access, Wanted(since, one.pull.pull_cursor)):
            await self._apply_page(one, page, asked_at)
            asked_at = self.clock()
        await self._finish(one)

    async def _subscribe(self, one: Round) -> None:
        """The shop's subscriptions are looked at in every round, because shops delete them."""
        if self.site_url is not None:
            address = hook_address(self.site_url, one.source.id, one.platform)
            await one.connector.subscribe(one.access, address, one.secrets.webhook_secrets[0])

    async def _read_again(self, one: Round) -> None:
        """Read the orders that webhooks have said to have changed, without saying how."""
        while True:
            asked_at = self.clock()
            bound = one.source.key | {"limit": READ_AGAIN_AT_ONCE}
            async with self.database.write() as conn:
                order_ids = (await conn.execute(statements.SELECT_ORDERS_TO_READ, bound)).scalars().all()
            if not order_ids:
                return
            async for page in one.connector.pull(one.access, Wanted(order_ids=tuple(order_ids))):
                await self._apply_page(one, replace(page, cursor=one.pull.pull_cursor), asked_at, tuple(order_ids))

    async def _apply_page(
        self, one: Round, page: PulledPage, asked_at: datetime, order_ids: tuple[str, ...] = ()
    ) -> None:
        """Store the orders of a page, and where the next one begins."""
        now = self.clock()
        reads = [read_webhook(number, now, each, one.connector) for number, each in enumerate(page.webhooks)]
        said: list[Told] = [
            (read, replace(event, restores=True) if isinstance(event, OrderSeen) else event)
            for read in reads
            for event in read.events
        ]
        async with one.turn, self.database.write_in_turn(one.source.id) as conn:
            await lock_source(conn, one.source.account_id, one.source.id)
            lease = await self._advance(conn, one, page, now)
            await apply_events(conn, one.source, said, asked_at)
            refused = [(read, page.webhooks[read.id]) for read in reads if read.refusal is not None]
            await quarantine(conn, one.source, one.connector, self.connections.vault, refused, now)
            if order_ids:
                read_now = one.source.key | {"order_ids": [*order_ids], "asked_at": asked_at}
                await conn.execute(statements.DELETE_ORDERS_TO_READ, read_now)
        one.lease = lease
        one.progress(len(reads), page.expected)

    async def _advance(self, conn: Connection, one: Round, page: PulledPage, now: datetime) -> datetime:
        """Store the cursor; the new end of the lease counts once that is committed."""
        lease = now + PULL_LEASE
        told = {"cursor": page.cursor, "orders": len(page.webhooks), "expected": page.expected}
        fence = {"lease": one.lease, "next_lease": lease}
        try:
            await change_rows(conn, statements.SET_PULL_PROGRESS, one.source.key | told | fence)
        except LookupError:
            raise LeaseLostError from None
        return lease

    async def _finish(self, one: Round) -> None:
        now = self.clock()
        state, reason = (ConnectionState.LIVE, None)
        if self.site_url is None:
            state, reason = ConnectionState.DEGRADED, NO_PUBLIC_URL
        await self._settle(one, {"due_at": now + RECONCILE_EVERY, "now": now, "state": state, "reason": reason})

    async def _settle(self, one: Round, bound: dict[str, object]) -> None:
        async with one.turn, self.database.write() as conn:
            await conn.execute(statements.SETTLE_PULL, one.source.key | {"lease": one.lease} | bound)

    async def _set_state(self, one: Round, state: str, reason: str | None) -> None:
        async with self.database.write() as conn:
            bound = {"state": state, "reason": reason, "now": self.clock()}
            await conn.execute(statements.SET_PULL_STATE, one.source.key | bound)
        one.pull = one.pull._replace(state=state)

    async def _note_failure(self, one: Round, code: str | None, pause: timedelta | None) -> None:
        """Try again after the pause; never, where there is none. Without a code it was no failure."""
        now, failures = self.clock(), one.pull.failures + (code is not None)
        state = one.pull.state
        if pause is None:
            state = ConnectionState.DISCONNECTED.value
        elif failures >= DEGRADED_FROM_FAILURES and one.pull.pulled_until is not None:
            state = ConnectionState.DEGRADED.value
        due_at = now + pause if pause is not None else None
        bound = {"failures": failures, "due_at": due_at, "state": state, "reason": code, "now": now}
        async with self.database.write() as conn:
            await conn.execute(statements.SET_PULL_FAILURE, one.source.key | {"lease": one.lease} | bound)
        log.warning("shop not read", source_id=one.source.id, reason=code or "busy", failures=failures)
