"""Delivering messages: the worker's loop, which claims what is due, sends it and has it settled.

No transaction is open while a mail is handed over. A few are in flight at a time, each with a lease
that is kept for as long as its provider takes; each is settled as soon as it has ended. When a worker
dies, the leases end and another worker claims the messages.
"""

import asyncio
from contextlib import suppress

from app.database.driver import first_hot_row
from app.database.pools import Database
from app.mail.contract import Deferred, Mailer, Outcome
from app.messages.queue_statements import CHANNEL, SELECT_NEXT_ACCOUNT, AccountWithMail
from app.messages.sending.claim_messages import NOTHING, Claim, Claimed, SendingLimits, claim
from app.messages.sending.compose_mail import Site
from app.messages.sending.keep_leases import keep_leases
from app.messages.sending.mail_server_watch import MailServerWatch
from app.messages.sending.settle_messages import INTERRUPTED, RETRY_SECONDS, Ended, Settler
from app.problems import log, places
from app.process_metrics import Metrics
from app.wire.instants import Clock

POLL_SECONDS = 1.0
FREE_SHARE, GATHERING_SECONDS = 3 / 4, 0.02
"""The share of free slots that a claim waits for, and for how long: few claims of many messages cost less than many
claims of few."""
GRACE_SECONDS = 20.0
"""How long mails in flight may take when the worker is told to stop."""


class Delivery:
    """The messages that one worker process has in flight."""

    def __init__(
        self,
        database: Database,
        mailer: Mailer,
        clock: Clock,
        limits: SendingLimits,
        site: Site,
        metrics: Metrics | None = None,
    ) -> None:
        """Nothing is in flight; `run` begins."""
        self._database, self.mailer, self._clock, self._limits, self._site = database, mailer, clock, limits, site
        self._in_flight: dict[tuple[int, int], Claimed] = {}
        self._sending: set[asyncio.Task[None]] = set()
        self._settler = Settler(database, self._has_settled)
        self._watch = MailServerWatch(metrics or Metrics())
        self._changed = asyncio.Event()
        self._account = 0
        self._one_by_one = False

    async def run(self, stop: asyncio.Event, *, until_idle: bool = False) -> None:
        """Send what is due until told to stop, or `until_idle`; then let what is in flight end."""
        leases = keep_leases(self._database, self._in_flight.values, self._clock, self._limits.lease_seconds)
        beside = (self._settler.run(), leases, self._listen(), self._wake_at(stop))
        tasks = [asyncio.create_task(each) for each in beside]
        try:
            while not stop.is_set():
                begun = await self._begin()
                if until_idle and not begun and not self._in_flight:
                    break
                if not begun:
                    await self._wait(POLL_SECONDS)
            await self._finish()
        finally:
            left = (*tasks, *self._settler.tasks)
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    # ------------------------------------------------------------ claiming

    async def _begin(self) -> int:
        """Claim what is due for one account and send it; returns how many messages were sent or closed."""
        free = await self._free_slots()
        if free < 1 or (self._one_by_one and self._in_flight):
            return 0
        try:
            claimed = await self._claim(free)
        except Exception as error:  # noqa: BLE001 - whatever one account's messages hold, the others are sent
            log.error("claim failed", kind=type(error).__name__, at=places(error))
            await asyncio.sleep(RETRY_SECONDS)
            return 0
        self._one_by_one = claimed.is_suspicious
        for each in claimed.messages:
            self._in_flight[each.account_id, each.id] = each
            task = asyncio.create_task(self._send(each))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)
        return len(claimed.messages) + claimed.closed

    async def _free_slots(self) -> int:
        """How many more mails may be in flight; waits a little for most of them."""
        clock = asyncio.get_running_loop().time
        deadline = clock() + GATHERING_SECONDS
        while self._free() < self._limits.concurrency * FREE_SHARE and (left := deadline - clock()) > 0:
            await self._wait(left)
        return self._free()

    def _free(self) -> int:
        return self._limits.concurrency - len(self._in_flight)

    async def _claim(self, most: int) -> Claim:
        """Claim messages of the next account that has some; each account is asked once."""
        asked = set[int]()
        while (account_id := await self._next_account()) is not None and account_id not in asked:
            asked.add(account_id)
            mine = [message for account, message in self._in_flight if account == account_id]
            alone, limits, now = not self._in_flight, self._limits, self._clock()
            async with self._database.write() as conn:
                claimed = await claim(conn, account_id, most=most, alone=alone, limits=limits, now=now, in_flight=mine)
            if claimed.is_suspicious and not alone:
                self._account = account_id - 1  # its turn comes again, with nothing else in flight
            if claimed != NOTHING:
                return claimed
        return NOTHING

    async def _next_account(self) -> int | None:
        async with self._database.read() as conn:
            for after in dict.fromkeys((self._account, 0)):
                bound = {"after": after, "now": self._clock()}
                found = await first_hot_row(conn, SELECT_NEXT_ACCOUNT, bound, AccountWithMail)
                if found is not None:
                    self._account = found.account_id
                    return self._account
        return None

    # ------------------------------------------------------------ sending

    async def _send(self, claimed: Claimed) -> None:
        try:
            outcome: Outcome = await self.mailer.send(claimed.mail(self._site))
        except asyncio.CancelledError:
            outcome = INTERRUPTED
        except Exception as error:  # noqa: BLE001 - a fault of ours must cost no message
            log.error("sending failed", kind=type(error).__name__, at=places(error))
            outcome = Deferred("bug", "The service failed while it sent this message.", maybe_duplicate=True)
        self._watch.note(outcome)
        self._settler.add(Ended(claimed, outcome, self._clock()))

    def _has_settled(self, ended: Ended) -> None:
        self._in_flight.pop((ended.claimed.account_id, ended.claimed.id), None)
        self._changed.set()

    # ------------------------------------------------------------ waiting

    async def _wait(self, seconds: float) -> None:
        """Wait until something is queued or has ended, or the time is over."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), seconds)
        self._changed.clear()

    async def _listen(self) -> None:
        while True:
            try:
                await self._database.listen(CHANNEL, self._changed.set)
            except Exception as error:  # noqa: BLE001 - it only saves waiting
                log.warning("not listening", kind=type(error).__name__)
            await asyncio.sleep(POLL_SECONDS)

    async def _wake_at(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._changed.set()

    async def _finish(self) -> None:
        """Wait for the mails in flight, then cancel those that take too long."""
        if self._sending:
            await asyncio.wait(self._sending, timeout=GRACE_SECONDS)
        for task in tuple(self._sending):
            task.cancel()
        deadline = asyncio.get_running_loop().time() + GRACE_SECONDS
        while self._in_flight and asyncio.get_running_loop().time() < deadline:
            await self._wait(GATHERING_SECONDS)
