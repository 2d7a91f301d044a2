"""The background process: what the calendar and crashes ask for, so that nothing needs a person.

It sends messages as they are queued. Every round it gives the sources whose day has changed
their boards, lets the standings follow that an interrupted import has left behind, cancels what
is queued for accounts that pay no more, and forgets old idempotency keys. Several workers do no
harm: each piece of work is done under a lock or a lease, and is idempotent.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import TextClause

from app.accounts import repeats
from app.accounts.answer_once import REMEMBERED
from app.boards import source as source_statements
from app.boards import standings
from app.boards.recount import catch_up, lock, tend
from app.boards.source import Source
from app.database.pools import Connection, Database
from app.messages import outbox
from app.messages.sending.deliver_messages import Delivery
from app.problems import log

ROUND_SECONDS = 30
SILENT_IMPORT = timedelta(minutes=2)
"""An import that has not stored a batch for so long is taken to be dead."""

Clock = Callable[[], datetime]


async def work(database: Database, clock: Clock, stop: asyncio.Event, delivery: Delivery) -> None:
    """Send what is queued, and round after round do the rest, until told to stop."""
    await asyncio.gather(delivery.run(stop), _rounds(database, clock, stop))


async def _rounds(database: Database, clock: Clock, stop: asyncio.Event) -> None:
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
    """All that is due now but the messages; what fails does not keep the rest waiting."""
    now = clock()
    async with database.read() as conn:
        due = [(row[0], row[1]) for row in await conn.execute(source_statements.due(now))]
        silent = {"silent_since": now - SILENT_IMPORT}
        abandoned = [(row[0], row[1]) for row in await conn.execute(standings.ABANDONED, silent)]
        unpaid = (await conn.execute(outbox.UNPAID)).scalars().all()
        expired = (await conn.execute(repeats.ACCOUNTS_WITH_EXPIRED, {"expired": now - REMEMBERED})).scalars().all()
    tasks = [
        *(partial(_of_account, database, each, outbox.UNPAID_CANCELLED, {"now": now}) for each in unpaid),
        *(partial(_of_account, database, each, repeats.FORGOTTEN, {"expired": now - REMEMBERED}) for each in expired),
        *(partial(_tend, database, place, clock) for place in due),
        *(partial(_catch_up, database, place, clock) for place in abandoned),
    ]
    for task in tasks:
        try:
            await task()
        except Exception as error:  # noqa: BLE001 - one source or account must not stop the rest
            log.error("task failed", task=task.func.__name__, of=task.args[1], kind=type(error).__name__)


async def _of_account(database: Database, account_id: int, statement: TextClause, bound: dict[str, object]) -> None:
    async with database.write() as conn:
        await conn.execute(statement, bound | {"account_id": account_id})


async def _tend(database: Database, place: tuple[int, int], clock: Clock) -> None:
    async with database.write_in_turn(place[1]) as conn:
        source = await lock(conn, await _source(conn, place))
        await tend(conn, source, clock())
    log.info("boards tended", source_id=source.id)


async def _catch_up(database: Database, place: tuple[int, int], clock: Clock) -> None:
    async with database.read() as conn:
        source = await _source(conn, place)
    await catch_up(database, source, clock())
    log.info("standings caught up", source_id=source.id)


async def _source(conn: Connection, place: tuple[int, int]) -> Source:
    return Source(*(await conn.execute(source_statements.one(*place))).one())
