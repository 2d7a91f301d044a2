"""Worker: the background process; calendar changes, clean-up after crashes, and sending, without an operator.

It sends messages as they are queued, and takes in the orders of stores that connect themselves. Every round it opens
the boards of sources whose day has changed, brings standings up to date that a crashed import has left
outdated, cancels messages of accounts that are no longer on the paid plan, and deletes what is kept for
a time only. Rounds of their own remove the rows of deleted accounts and stores. Several workers do no
harm: each task runs under a lock or a lease and is idempotent.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple, TypeVar

from sqlalchemy import TextClause

from app.accounts.answer_once import DELETE_EXPIRED_KEYS, KEPT, SELECT_ACCOUNTS_WITH_EXPIRED_KEYS
from app.accounts.rate_limits import DELETE_OLD_WINDOWS, SELECT_ACCOUNTS_WITH_OLD_WINDOWS, WINDOWS_KEPT
from app.boards.recount import catch_up, tend_in_steps
from app.boards.source import SELECT_DUE_SOURCES, read_source
from app.boards.standings import SELECT_ABANDONED_SOURCES
from app.database.pools import Database
from app.database.rows import all_rows
from app.deletion.remove_rows import DELETION_GRACE, remove_account, remove_source
from app.deletion.statements import SELECT_DELETED_ACCOUNTS, SELECT_DELETED_SOURCES, DeletedAccount, DeletedSource
from app.messages.queue_statements import CANCEL_UNPAID_MESSAGES, SELECT_UNPAID_ACCOUNTS
from app.messages.sending.deliver_messages import Delivery
from app.orders.forget_refused_rows import REFUSALS_KEPT, forget_refused_rows
from app.orders.import_orders import SILENT_IMPORT
from app.orders.statements import SELECT_IMPORTS_TO_FORGET, ImportToForget
from app.problems import log
from app.process_metrics import Metrics
from app.sources.inbox_statements import DELETE_OLD_DELIVERIES, SELECT_ACCOUNTS_WITH_OLD_DELIVERIES
from app.sources.renew_encryption import renew_encryption
from app.sources.store_work import StoreWork
from app.wire.instants import Clock

ROUND_SECONDS = 30
REMOVAL_SECONDS = 5
"""How often deleted accounts and stores are looked for: their removal may take long and has rounds of its own."""
ROUND_GRACE_SECONDS = 5.0
"""How long a round may take when the worker is told to stop; what it has begun is rolled back then, and done later."""
DELIVERIES_KEPT = timedelta(days=14)
"""How long the webhooks of stores are kept once they are settled."""


Deleted = TypeVar("Deleted", DeletedAccount, DeletedSource)


class Task(NamedTuple):
    """A piece of background work; `about` names the account or source in the log."""

    name: str
    about: dict[str, int]
    run: Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Background:
    """What the background work of a process is done with."""

    database: Database
    delivery: Delivery
    stores: StoreWork
    metrics: Metrics


async def work(background: Background, clock: Clock, stop: asyncio.Event) -> None:
    """Send what is queued, and round after round do the rest, until told to stop."""

    async def keep_up() -> None:
        await _run_tasks(await _due_tasks(background.database, clock))
        await renew_encryption(background.database, background.stores.inbox.vault)
        background.metrics.last_round.set_to_current_time()

    async def remove() -> None:
        await _run_tasks(await _due_removals(background.database, clock, background.stores))

    beside = [
        asyncio.create_task(_run_rounds(keep_up, ROUND_SECONDS, stop)),
        asyncio.create_task(_run_rounds(remove, REMOVAL_SECONDS, stop)),
        asyncio.create_task(background.stores.run(stop)),
    ]
    try:
        await background.delivery.run(stop)
        await asyncio.wait(beside, timeout=ROUND_GRACE_SECONDS)
    finally:
        for each in beside:
            each.cancel()
        await asyncio.gather(*beside, return_exceptions=True)


async def _run_rounds(run: Callable[[], Awaitable[None]], seconds: float, stop: asyncio.Event) -> None:
    """A failing round is logged and the next one tries again."""
    while not stop.is_set():
        try:
            await run()
        except Exception as error:  # noqa: BLE001 - whatever fails now may work in the next round
            log.error("work failed", kind=type(error).__name__)
        try:
            await asyncio.wait_for(stop.wait(), seconds)
        except TimeoutError:
            continue


async def work_once(database: Database, clock: Clock, stores: StoreWork | None = None) -> None:
    """Do everything that is due now, except sending; shops of deleted sources are asked by `stores`."""
    await _run_tasks(await _due_tasks(database, clock))
    await _run_tasks(await _due_removals(database, clock, stores))


async def _run_tasks(tasks: Iterable[Task]) -> None:
    """Run tasks one after the other; one that fails does not stop the others."""
    for task in tasks:
        try:
            await task.run()
        except Exception as error:  # noqa: BLE001 - one source or account must not stop the rest
            log.error("task failed", task=task.name, **task.about, kind=type(error).__name__)


async def _due_removals(database: Database, clock: Clock, stores: StoreWork | None) -> list[Task]:
    """The removal of deleted accounts and stores."""
    until = {"until": clock() - DELETION_GRACE}
    async with database.write() as conn:  # a replica may show what is gone
        accounts = await all_rows(conn, SELECT_DELETED_ACCOUNTS, until, DeletedAccount)
        sources = await all_rows(conn, SELECT_DELETED_SOURCES, until, DeletedSource)
    return [
        *(_remove("remove account", remove_account, database, clock, stores, each) for each in accounts),
        *(_remove("remove source", remove_source, database, clock, stores, each) for each in sources),
    ]


def _remove(
    name: str,
    remove: Callable[[Database, Deleted, Clock], Awaitable[None]],
    database: Database,
    clock: Clock,
    stores: StoreWork | None,
    deleted: Deleted,
) -> Task:
    async def run() -> None:
        if stores is not None:
            await stores.leaving.leave(**deleted._asdict())
        await remove(database, deleted, clock)
        log.info("rows removed", task=name, **deleted._asdict())

    return Task(name, deleted._asdict(), run)


async def _due_tasks(database: Database, clock: Clock) -> list[Task]:
    now = clock()
    unpaid, expired, old = {"now": now}, {"expired": now - KEPT}, {"expired": now - DELIVERIES_KEPT}
    past = {"expired": now - WINDOWS_KEPT}
    async with database.read() as conn:
        due = (await conn.execute(SELECT_DUE_SOURCES, {"now": now})).all()
        abandoned = (await conn.execute(SELECT_ABANDONED_SOURCES, {"silent_since": now - SILENT_IMPORT})).all()
        of_unpaid = (await conn.execute(SELECT_UNPAID_ACCOUNTS)).scalars().all()
        forgotten = await all_rows(conn, SELECT_IMPORTS_TO_FORGET, {"expired": now - REFUSALS_KEPT}, ImportToForget)
        of_expired = (await conn.execute(SELECT_ACCOUNTS_WITH_EXPIRED_KEYS, expired)).scalars().all()
        of_old = (await conn.execute(SELECT_ACCOUNTS_WITH_OLD_DELIVERIES, old)).scalars().all()
        of_past = (await conn.execute(SELECT_ACCOUNTS_WITH_OLD_WINDOWS, past)).scalars().all()
    return [
        *_of_accounts("cancel unpaid messages", database, of_unpaid, CANCEL_UNPAID_MESSAGES, unpaid),
        *_of_accounts("delete old idempotency keys", database, of_expired, DELETE_EXPIRED_KEYS, expired),
        *_of_accounts("delete old windows", database, of_past, DELETE_OLD_WINDOWS, past),
        *_of_accounts("delete old webhooks", database, of_old, DELETE_OLD_DELIVERIES, old),
        *(_tend_source(database, clock, account_id, source_id) for account_id, source_id in due),
        *(_catch_up_source(database, clock, account_id, source_id) for account_id, source_id in abandoned),
        *(_forget(database, old) for old in forgotten),
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


def _forget(database: Database, old: ImportToForget) -> Task:
    return Task("forget refused rows", old._asdict(), lambda: forget_refused_rows(database, old))


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
