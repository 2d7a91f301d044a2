"""The process behind nursery.nursery(): it has imported everything, and forks a worker per command.

A command is a line of JSON, and so is the answer. A worker runs the product's Delivery on pools and a mailer of its
own; the only things planted are what its orders name: a mutant, or a mail that kills whoever touches it.
"""

import asyncio
import dataclasses
import gc
import json
import os
import secrets
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import uvloop
from sqlalchemy import TextClause, text

from app.database.pools import Database
from app.logs import log_as_json
from app.mail.choose_mailer import open_mailer
from app.mail.contract import Mail, Mailer, Outcome
from app.messages.sending import claim_messages, deliver_messages, settle_messages
from app.messages.sending.claim_messages import SendingLimits
from app.messages.sending.compose_mail import Site
from app.messages.sending.deliver_messages import Delivery
from app.wire.instants import now_in_utc


@dataclass(frozen=True)
class Orders:
    """What a worker is to do."""

    write: str
    read: str
    mail: str
    limits: dict[str, Any]
    mutant: str | None
    poison: str | None
    grace_seconds: float


@dataclass(frozen=True)
class Poisoned:
    """A mailer whose process dies of the mails to one address."""

    mailer: Mailer
    address: str

    async def send(self, mail: Mail) -> Outcome:
        if mail.recipient.email == self.address:
            os._exit(66)
        return await self.mailer.send(mail)

    async def close(self) -> None:
        await self.mailer.close()


# ---------------------------------------------------------------- mutants


def replaced(statement: TextClause, old: str, new: str) -> TextClause:
    assert old in statement.text, f"the mutant has lost its place: {old}"
    return text(statement.text.replace(old, new))


def mark_sent_before_sending() -> None:
    started = replaced(claim_messages.MARK_SENDING, "SET status = 'sending'", "SET status = 'sent'")
    claim_messages.MARK_SENDING = replaced(started, "due_at = :lease_until", "due_at = NULL")


def write_a_new_message_id_each_time() -> None:
    compose_mail = claim_messages.compose_mail

    def anew(*arguments: Any) -> Mail:
        return dataclasses.replace(compose_mail(*arguments), message_id=f"<{secrets.token_hex(16)}@shop.example>")

    claim_messages.compose_mail = anew


def settle_without_the_lease() -> None:
    settle_messages.SETTLE_MESSAGES = replaced(
        settle_messages.SETTLE_MESSAGES, "AND m.lease = n.lease AND m.status = 'sending'", ""
    )


def keep_no_lease() -> None:
    async def idle(*_arguments: Any) -> None:
        await asyncio.sleep(0)

    deliver_messages.keep_leases = idle


def let_go_of_nothing_at_the_end() -> None:
    async def leave(_delivery: Delivery) -> None:
        os._exit(0)

    Delivery._finish = leave  # type: ignore[method-assign]


MUTANTS: dict[str, Callable[[], None]] = {
    each.__name__: each
    for each in (
        *(mark_sent_before_sending, write_a_new_message_id_each_time, settle_without_the_lease, keep_no_lease),
        let_go_of_nothing_at_the_end,
    )
}


# ---------------------------------------------------------------- the workers


async def work(orders: Orders) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    limits = SendingLimits(**orders.limits)
    database = Database(orders.write, orders.read, pool_size=2, pool_wait_seconds=20)
    mailer: Mailer = open_mailer(orders.mail, concurrency=limits.concurrency)
    if orders.poison:
        mailer = Poisoned(mailer, orders.poison)
    try:
        await Delivery(database, mailer, now_in_utc, limits, Site("https://loyal.shop.example")).run(stop)
    finally:
        await mailer.close()
        await database.close()


def forked(orders: Orders) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        if orders.mutant:
            MUTANTS[orders.mutant]()
        deliver_messages.GRACE_SECONDS = orders.grace_seconds
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(work(orders))
        code = 0
    finally:
        os._exit(code)


def main() -> None:
    log_as_json()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # a worker hears it once it can do what it says
    gc.collect()
    gc.freeze()  # what was imported is shared with the workers, not copied
    alive = set[int]()
    for line in sys.stdin:
        command = json.loads(line)
        if "fork" in command:
            answer = forked(Orders(**command["fork"]))
            alive.add(answer)
        else:
            answer = os.waitstatus_to_exitcode(os.waitpid(command["reap"], 0)[1])
            alive.discard(command["reap"])
        print(answer, flush=True)  # noqa: T201 - the parent reads it
    for pid in alive:
        os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
