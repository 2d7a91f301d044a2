"""Delivering messages: the worker's loop, which claims what is due, sends it and settles it.

No transaction is open while a mail is handed over. A few are in flight at a time, each with a
lease that is kept up for as long as its provider takes; each is settled as soon as it has
ended. Whatever dies, the lease ends and another worker takes the message up.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from app.database.driver import first_row
from app.database.errors import ERRORS
from app.database.pools import Database
from app.mail.contract import Deferred, Mailer, Outcome
from app.messages import outbox
from app.messages.sending.claim_messages import NOTHING, Claimed, Limits, Taken, claim
from app.messages.sending.compose_mail import Site
from app.messages.sending.settle_messages import INTERRUPTED, Ended, says_of_address, settle
from app.problems import ServiceUnavailable, log, places

POLL_SECONDS = 1.0
GATHERED, GATHERING_SECONDS = 3 / 4, 0.02
"""How much of the slots a claim waits for, and how long: many claims of few messages cost more than a few of many."""
GRACE_SECONDS = 20.0
"""How long mails in flight may take when the worker is told to stop."""
HEARTBEATS_PER_LEASE = 3
TRIED_AGAIN_SECONDS = 0.5

Clock = Callable[[], datetime]


class Delivery:
    """What one worker process has in flight."""

    def __init__(self, database: Database, mailer: Mailer, clock: Clock, limits: Limits, site: Site) -> None:
        """Nothing is in flight; `run` begins."""
        self._database, self._mailer, self._clock, self._limits, self._site = database, mailer, clock, limits, site
        self._in_flight: dict[tuple[int, int], Claimed] = {}
        self._sending: set[asyncio.Task[None]] = set()
        self._concluding: set[asyncio.Task[None]] = set()
        self._ended: asyncio.Queue[Ended] = asyncio.Queue()
        self._changed = asyncio.Event()
        self._account = 0
        self._one_by_one = False

    async def run(self, stop: asyncio.Event, *, until_idle: bool = False) -> None:
        """Send what is due until told to stop, or `until_idle`; then let what is in flight end."""
        beside = [asyncio.create_task(each) for each in (self._settle(), self._keep_leases(), self._listen())]
        telling = asyncio.create_task(self._tell(stop))
        try:
            while not stop.is_set():
                begun = await self._begin()
                if until_idle and not begun and not self._in_flight:
                    break
                if not begun:
                    await self._wait(POLL_SECONDS)
            await self._finish()
        finally:
            left = (*beside, telling, *self._concluding)
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    # ------------------------------------------------------------ claiming

    async def _begin(self) -> int:
        """Claim what is due for one account, and send it; how many messages were sent or closed."""
        free = await self._free_slots()
        if free < 1 or (self._one_by_one and self._in_flight):
            return 0
        try:
            taken = await self._claim(free)
        except Exception as error:  # noqa: BLE001 - whatever one account's messages hold, the others are sent
            log.error("claim failed", kind=type(error).__name__, at=places(error))
            await asyncio.sleep(TRIED_AGAIN_SECONDS)
            return 0
        self._one_by_one = taken.is_suspicious
        for each in taken.messages:
            self._in_flight[each.account_id, each.id] = each
            self._start(self._send(each), self._sending)
        return len(taken.messages) + taken.closed

    async def _free_slots(self) -> int:
        """How many more mails may be in flight; waits a little for most of them."""
        clock = asyncio.get_running_loop().time
        deadline = clock() + GATHERING_SECONDS
        while self._free() < self._limits.concurrency * GATHERED and (left := deadline - clock()) > 0:
            await self._wait(left)
        return self._free()

    def _free(self) -> int:
        return self._limits.concurrency - len(self._in_flight)

    async def _claim(self, most: int) -> Taken:
        """Some of the next account's messages; of those after it where it has none to give, once around."""
        asked = set[int]()
        while (account_id := await self._next_account()) is not None and account_id not in asked:
            asked.add(account_id)
            mine = [message for account, message in self._in_flight if account == account_id]
            alone, limits, now = not self._in_flight, self._limits, self._clock()
            async with self._database.write() as conn:
                taken = await claim(conn, account_id, most=most, alone=alone, limits=limits, now=now, in_flight=mine)
            if taken.is_suspicious and not alone:
                self._account = account_id - 1  # its turn comes again, with nothing else in flight
            if taken != NOTHING:
                return taken
        return NOTHING

    async def _next_account(self) -> int | None:
        async with self._database.read() as conn:
            for after in dict.fromkeys((self._account, 0)):
                found = await first_row(conn, outbox.NEXT_ACCOUNT, {"after": after, "now": self._clock()})
                if found is not None:
                    self._account = found.account_id
                    return self._account
        return None

    # ------------------------------------------------------------ sending

    async def _send(self, claimed: Claimed) -> None:
        try:
            outcome: Outcome = await self._mailer.send(claimed.composed(self._site))
        except asyncio.CancelledError:
            outcome = INTERRUPTED
        except Exception as error:  # noqa: BLE001 - a fault of ours must cost no message
            log.error("sending failed", kind=type(error).__name__, at=places(error))
            outcome = Deferred("bug", "The service failed while it sent this message.", maybe_duplicate=True)
        self._ended.put_nowait(Ended(claimed, outcome, self._clock()))

    async def _settle(self) -> None:
        """Store what has ended, at once; while the database is away, again and again.

        What one account waits for, a message under a lock or a store whose turn it is not, holds up no other.
        """
        waiting: dict[int, list[Ended]] = {}
        while True:
            each = await self._ended.get()
            account_id = each.claimed.account_id
            if says_of_address(each):
                self._start(self._conclude(account_id, [each]), self._concluding)
            elif account_id in waiting:
                waiting[account_id].append(each)
            else:
                waiting[account_id] = [each]
                self._start(self._conclude_all(account_id, waiting), self._concluding)

    async def _conclude_all(self, account_id: int, waiting: dict[int, list[Ended]]) -> None:
        """What has ended while the one before was stored goes together."""
        while some := waiting[account_id]:
            waiting[account_id] = []
            await self._conclude(account_id, some)
        del waiting[account_id]

    async def _conclude(self, account_id: int, ended: Sequence[Ended]) -> None:
        await self._insist(settle, self._database, account_id, ended)
        for each in ended:
            self._in_flight.pop((account_id, each.claimed.id), None)
        self._changed.set()

    def _start(self, work: Coroutine[Any, Any, None], beside: set[asyncio.Task[None]]) -> None:
        task = asyncio.create_task(work)
        beside.add(task)
        task.add_done_callback(beside.discard)

    async def _insist(self, task: Callable[..., Any], *arguments: object) -> None:
        while True:
            try:
                await task(*arguments)
            except (*ERRORS, ServiceUnavailable) as error:
                log.error("settling waits for the database", kind=type(error).__name__)
                await asyncio.sleep(TRIED_AGAIN_SECONDS)
            except Exception as error:  # noqa: BLE001 - the leases end, and the messages are taken up again
                log.error("settling failed", kind=type(error).__name__, at=places(error))
                return
            else:
                return

    async def _keep_leases(self) -> None:
        """Mails that take long keep their leases as long as this process lives."""
        while True:
            await asyncio.sleep(self._limits.lease_seconds / HEARTBEATS_PER_LEASE)
            by_account: dict[int, list[Claimed]] = defaultdict(list)
            for each in self._in_flight.values():
                by_account[each.account_id].append(each)
            until = self._clock() + timedelta(seconds=self._limits.lease_seconds)
            for account_id, some in by_account.items():
                some.sort(key=lambda each: each.id)
                kept = {"ids": [each.id for each in some], "leases": [each.lease for each in some]}
                try:
                    async with self._database.write() as conn:
                        await conn.execute(outbox.LEASES_KEPT, kept | {"account_id": account_id, "lease_until": until})
                except Exception as error:  # noqa: BLE001 - whatever it is, the next heartbeat may work
                    log.error("leases not kept", kind=type(error).__name__)

    # ------------------------------------------------------------ waiting

    async def _wait(self, seconds: float) -> None:
        """Until something is queued or has ended, or the time is over."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), seconds)
        self._changed.clear()

    async def _listen(self) -> None:
        while True:
            try:
                await self._database.listen(outbox.CHANNEL, self._changed.set)
            except Exception as error:  # noqa: BLE001 - it only saves waiting
                log.warning("not listening", kind=type(error).__name__)
            await asyncio.sleep(POLL_SECONDS)

    async def _tell(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._changed.set()

    async def _finish(self) -> None:
        """Let what is in flight end, then let go of the rest."""
        if self._sending:
            await asyncio.wait(self._sending, timeout=GRACE_SECONDS)
        for task in tuple(self._sending):
            task.cancel()
        deadline = asyncio.get_running_loop().time() + GRACE_SECONDS
        while self._in_flight and asyncio.get_running_loop().time() < deadline:
            await self._wait(GATHERING_SECONDS)
