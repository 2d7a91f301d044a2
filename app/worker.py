"""Worker: the background process; calendar changes, clean-up after crashes, and sending, without an operator.

It sends messages as they are queued. Every round it opens the boards of sources whose day has changed,
brings standings up to date that a crashed import has left outdated, cancels messages of accounts that
are no longer on the paid plan, and deletes old idempotency keys. Several workers do no harm: each task
runs under a lock or a lease and is idempotent.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import TextClause

from app.accounts.answer_once import DELETE_EXPIRED_KEYS, KEPT, SELECT_ACCOUNTS_WITH_EXPIRED_KEYS
from app.boards.recount import catch_up, tend_in_steps
from app.boards.source import SELECT_DUE_SOURCES, read_source
from app.boards.standings import SELECT_ABANDONED_SOURCES
from app.database.pools import Database
from app.messages.queue_statements import CANCEL_UNPAID_MESSAGES, SELECT_UNPAID_ACCOUNTS
from app.messages.sending.deliver_messages import Delivery
from app.problems import log
from app.wire.instants import Clock

ROUND_SECONDS = 30
SILENT_IMPORT = timedelta(minutes=2)
"""An import that has not stored a batch for this long has died."""


class Task(NamedTuple):
    """A piece of background work; `about` names the account or source in the log."""

    name: str
    about: dict[str, int]
    run: Callable[[], Awaitable[None]]


async def work(database: Database, clock: Clock, stop: asyncio.Event, delivery: Delivery) -> None:
    """Send what is queued, and round after round do the rest, until told to stop."""
    await asyncio.gather(delivery.run(stop), _run_rounds(database, clock, stop))


async def _run_rounds(database: Database, clock: Clock, stop: asyncio.Event) -> None:
    """A failing round is logged and the next one tries again."""
    while not stop.is_set():
        try:
            await work_once(database, clock)
        except Exception as error:  # noqa: BLE001 - whatever fails now may work in the next round
            log.error("work failed", kind=type(error).__name__)
        try:
            await asyncio.wait_for(stop.wait(), ROUND_SECONDS)
        except TimeoutError:
            continue


async def work_once(database: Database, clock: Clock) -> None:
    """Do everything that is due now, except sending; a task that fails does not stop the others."""
    for task in await _due_tasks(database, clock):
        try:
            await task.run()
        except Exception as error:  # noqa: BLE001 - one source or account must not stop the rest
            log.error("task failed", task=task.name, **task.about, kind=type(error).__name__)


async def _due_tasks(database: Database, clock: Clock) -> list[Task]:
    now = clock()
    unpaid, expired = {"now": now}, {"expired": now - KEPT}
    async with database.read() as conn:
        due = (await conn.execute(SELECT_DUE_SOURCES, {"now": now})).all()
        abandoned = (await conn.execute(SELECT_ABANDONED_SOURCES, {"silent_since": now - SILENT_IMPORT})).all()
        of_unpaid = (await conn.execute(SELECT_UNPAID_ACCOUNTS)).scalars().all()
        of_expired = (await conn.execute(SELECT_ACCOUNTS_WITH_EXPIRED_KEYS, expired)).scalars().all()
    return [
        *_of_accounts("cancel unpaid messages", database, of_unpaid, CANCEL_UNPAID_MESSAGES, unpaid),
        *_of_accounts("delete old idempotency keys", database, of_expired, DELETE_EXPIRED_KEYS, expired),
        *(_tend_source(database, clock, account_id, source_id) for account_id, source_id in due),
        *(_catch_up_source(database, clock, account_id, source_id) for account_id, source_id in abandoned),
    ]


def _of_accounts(
    name: str, database: Database, accounts: Iterable[int], statement: TextClause, bound: dict[str, datetime]
) -> Iterable[Task]:
    """A task per account that runs one statement."""

    def task(account_id: int) -> Task:
        async def run() -> None:
            async with database.write() as conn:
                await conn.execute(statement, bound | {"account_id": account_id})

        return Task(name, {"account_id": account_id}, run)

    return map(task, accounts)


def _tend_source(database: Database, clock: Clock, account_id: int, source_id: int) -> Task:
    async def run() -> None:
        await tend_in_steps(database, account_id, source_id, clock)
        log.info("boards tended", source_id=source_id)

    return Task("tend boards", {"source_id": source_id}, run)


def _catch_up_source(database: Database, clock: Clock, account_id: int, source_id: int) -> Task:
    async def run() -> None:
        async with database.read() as conn:
            source = await read_source(conn, account_id, source_id)
        await catch_up(database, source, clock())
        log.info("standings caught up", source_id=source_id)

    return Task("catch up standings", {"source_id": source_id}, run)
