"""Running: what all commands have in common."""

import asyncio
import gc
import sys
from collections.abc import Awaitable, Callable, Coroutine
from datetime import datetime
from typing import Any, TypeVar

import uvloop
from rich.console import Console

from app.boards.source import SELECT_ACCOUNT_OF_SOURCE, SELECT_ALL_SOURCES, Source, read_source
from app.connecting import Urls, connected_to_work, postgres
from app.database.pools import Database
from app.settings import Settings, read_settings
from app.wire.ids import row_id

console = Console(stderr=True)

TaskResult = TypeVar("TaskResult")

SWITCH_SECONDS = 0.0005
"""How soon the event loop gets the interpreter back from a thread that computes; Python's own is ten times as long."""


class CommandError(Exception):
    """One line that tells what stopped a command."""


def command_now() -> datetime:
    """Now, by the clock of the settings."""
    return read_settings().service_clock()


def run_until_done(task: Coroutine[Any, Any, TaskResult]) -> TaskResult:
    """Run it on the fast event loop: uvicorn would choose it too, but the pools must share it."""
    collect_seldom()
    sys.setswitchinterval(SWITCH_SECONDS)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(task)


def collect_seldom() -> None:
    """Keep the garbage collector off objects that live as long as the process, and run it less often.

    Large batches triggered a collection every few hundred objects: a sixth of the time of an import.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def with_database(settings: Settings, task: Callable[[Database], Awaitable[None]]) -> None:
    """Do a task with the database of the settings, beside a service that runs on it."""

    async def run_task(urls: Urls) -> None:
        async with connected_to_work(urls) as database:
            await task(database)

    with postgres(settings, share=True) as urls:
        run_until_done(run_task(urls))


async def chosen_sources(database: Database, public: str | None) -> list[Source]:
    """The source of this public id, or all."""
    if public is not None:
        return [await chosen_source(database, public)]
    async with database.read() as conn:
        keys = (await conn.execute(SELECT_ALL_SOURCES)).all()
        return [await read_source(conn, account_id, source_id) for account_id, source_id in keys]


async def chosen_source(database: Database, public: str) -> Source:
    """The source of this public id; CommandError where there is none."""
    source_id = row_id("src", public)
    async with database.read() as conn:
        account = await conn.execute(SELECT_ACCOUNT_OF_SOURCE, {"source_id": source_id or 0})
        account_id = account.scalar_one_or_none()
        if account_id is None or source_id is None:
            raise CommandError(f"there is no source {public}")
        return await read_source(conn, account_id, source_id)
