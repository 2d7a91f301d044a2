"""Commands: serve · worker · migrate · import · rebuild · verify · openapi."""

import asyncio
import gc
import json
import logging
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import structlog
import typer
import uvloop
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from app import mailing, openapi, serving
from app.boards.recount import rebuild
from app.boards.source import SELECT_ACCOUNT_OF_SOURCE, SELECT_ALL_SOURCES, Source, read_source
from app.boards.verify import verify
from app.connecting import Urls, connected, connected_to_work, postgres, upgrade
from app.database.errors import ERRORS, operator_line
from app.database.pools import Database
from app.demo import ensure_demo
from app.local_postgres import LocalPostgresError
from app.mail.contract import referenced
from app.main import create_app
from app.messages.queue_statements import RELEASE_MESSAGE, SELECT_HELD_MESSAGES
from app.messages.sending.compose_mail import reference
from app.orders.import_orders import import_orders
from app.orders.read_rows import csv_rows, inflated, ndjson_rows
from app.problems import Problem
from app.serving import taken_port
from app.settings import Settings, SettingsError, read_settings
from app.wire.ids import public_id, row_id
from app.wire.instants import now_in_utc
from app.worker import work, work_once

WRONG_SETTINGS = 2
READ_AT_ONCE_BYTES = 64 * 1024

commands = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)
console = Console(stderr=True)


class CommandError(Exception):
    """One line that tells what stopped a command."""


def run() -> None:
    """Run the command; an operator's mistake is reported in one line, never by a traceback."""
    log_as_json()
    try:
        commands()
    except (SettingsError, LocalPostgresError) as error:
        print(f"loyalty-leaderboard: {error}", file=sys.stderr)
        sys.exit(WRONG_SETTINGS)
    except Problem as problem:
        print(f"loyalty-leaderboard: {problem.detail}", file=sys.stderr)
        sys.exit(1)
    except ERRORS as error:
        print(f"loyalty-leaderboard: {operator_line(error)}", file=sys.stderr)
        sys.exit(1)
    except CommandError as error:
        print(f"loyalty-leaderboard: {error}", file=sys.stderr)
        sys.exit(1)


def run_until_done(task: Coroutine[Any, Any, None]) -> None:
    """Run it on the fast event loop: uvicorn would choose it too, but the pools must share it."""
    collect_seldom()
    sys.setswitchinterval(SWITCH_SECONDS)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(task)


SWITCH_SECONDS = 0.0005
"""How soon the event loop gets the interpreter back from a thread that computes; Python's own is ten times as long."""


def collect_seldom() -> None:
    """Keep the garbage collector off objects that live as long as the process, and run it less often.

    Large batches triggered a collection every few hundred objects: a sixth of the time of an import.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def log_as_json() -> None:
    """Log one JSON object a line to standard error; the code names every field, and none holds personal data."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.EventRenamer("message"),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    logging.getLogger("alembic").setLevel(logging.WARNING)


@commands.command()
def serve() -> None:
    """Serve the API; with WORKER=true (the default) do the background work too."""
    settings = read_settings()
    mailing.check(settings)
    with taken_port(settings.host, settings.port) as listener, postgres(settings, share=False) as urls:
        upgrade(urls)
        run_until_done(_serve(settings, urls, listener))


async def _serve(settings: Settings, urls: Urls, listener: socket.socket) -> None:
    url = f"http://{settings.host}:{listener.getsockname()[1]}"
    async with connected(urls, settings) as database, connected_to_work(urls, database.turns) as worker_database:
        if urls.embedded and settings.demo:
            await ensure_demo(worker_database, url, settings.data_dir / "demo.key")
        admin_key = settings.admin_key.get_secret_value() if settings.admin_key else None
        app = create_app(
            database,
            admin_key=admin_key,
            cors_origins=settings.cors_origins,
            site=mailing.site(settings),
            feedback=mailing.feedback_source(settings),
        )
        console.print(f"Serving {url} (docs at /docs)", highlight=False)
        async with mailing.delivery(settings, worker_database) as delivery:
            working = delivery if settings.worker else None
            await serving.serve_until_stopped(app, worker_database, listener, working, urls.is_running)
    if not urls.is_running():
        raise CommandError("the embedded PostgreSQL has ended; start the service again, and see postgres.log")


@commands.command()
def worker() -> None:
    """Do the background work only."""
    settings = read_settings()
    mailing.check(settings)

    async def until_told(database: Database) -> None:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        async with mailing.delivery(settings, database) as delivery:
            await work(database, now_in_utc, stop, delivery)

    _with_database(settings, until_told)


@commands.command()
def migrate() -> None:
    """Bring the database to the newest schema."""
    with postgres(read_settings(), share=True) as urls:
        upgrade(urls)


@commands.command("import")
def import_file(
    source: Annotated[str, typer.Argument(help="the source's id, src_…")],
    file: Annotated[Path, typer.Argument(help="orders as .csv or .ndjson, plain or .gz")],
) -> None:
    """Store the orders of a file."""
    if not file.is_file():
        raise CommandError(f"there is no file {file}")

    async def run_import(database: Database) -> None:
        store = await _source(database, source)
        with _progress_of(file) as advance:
            chunks = inflated(_chunks(file, advance), gzip=False)
            rows = ndjson_rows(chunks) if ".ndjson" in file.suffixes else csv_rows(chunks)
            done = await import_orders(database, store, rows, now_in_utc)
        for line, refusal in done.rejected:
            print(f"line {line}: {refusal.code}: {refusal.detail}", file=sys.stderr)
        print(
            f"{public_id('imp', done.id)}: {done.received} received, {done.tally.created} created,"
            f" {done.tally.updated} updated, {done.tally.unchanged} unchanged, {done.rejected_count} rejected"
        )

    _with_database(read_settings(), run_import)


@contextmanager
def _progress_of(file: Path) -> Iterator[Callable[[int], None]]:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task: TaskID = progress.add_task(file.name, total=file.stat().st_size)
        yield lambda size: progress.advance(task, size)


async def _chunks(file: Path, advance: Callable[[int], None]) -> AsyncIterator[bytes]:
    with file.open("rb") as stream:
        while chunk := stream.read(READ_AT_ONCE_BYTES):
            advance(len(chunk))
            yield chunk


@commands.command("rebuild")
def rebuild_all(source: Annotated[str | None, typer.Argument(help="one source, src_…; else all")] = None) -> None:
    """Fill all boards afresh from the orders."""

    async def run_rebuild(database: Database) -> None:
        failed: list[str] = []
        for store in await _sources(database, source):
            name = public_id("src", store.id)
            try:
                async with database.write_in_turn(store.id) as conn:
                    await rebuild(conn, store, now_in_utc())
            except ERRORS as error:
                failed.append(name)
                print(f"{name}: {operator_line(error)}")
            else:
                print(f"{name}: rebuilt")
        if failed:
            raise CommandError(f"not rebuilt: {', '.join(failed)}")

    _with_database(read_settings(), run_rebuild)


@commands.command("verify")
def verify_all(source: Annotated[str | None, typer.Argument(help="one source, src_…; else all")] = None) -> None:
    """Recompute every board from the orders and report what differs; exit status 1 if anything does."""

    async def run_verify(database: Database) -> None:
        found = 0
        for store in await _sources(database, source):
            try:
                differences = await verify(database, store)
            except ERRORS as error:
                differences = [operator_line(error)]
            found += len(differences)
            for difference in differences:
                print(f"{public_id('src', store.id)}: {difference}")
            if not differences:
                print(f"{public_id('src', store.id)}: true")
        if found:
            raise CommandError("what is stored is not what the orders say; `python -m app rebuild` repairs boards")

    _with_database(read_settings(), run_verify)


@commands.command("work")
def work_now() -> None:
    """Do the background work that is due, once: figures, then messages."""
    settings = read_settings()
    mailing.check(settings)

    async def once(database: Database) -> None:
        await work_once(database, now_in_utc)
        async with mailing.delivery(settings, database) as delivery:
            await delivery.run(asyncio.Event(), until_idle=True)

    _with_database(settings, once)


@commands.command("held")
def list_held() -> None:
    """List the held messages: each was being sent in several crashes and now waits for an operator."""

    async def run_list(database: Database) -> None:
        async with database.read() as conn:
            for account_id, message in await conn.execute(SELECT_HELD_MESSAGES):
                print(reference(account_id, message))

    _with_database(read_settings(), run_list)


@commands.command("release")
def release_held(message: Annotated[str, typer.Argument(help="a held message, acc_….msg_…")]) -> None:
    """Queue a held message again; DELETE /messages/{id} cancels one."""

    async def run_release(database: Database) -> None:
        account_id, row = referenced(message) or (0, 0)
        known = {"account_id": account_id, "id": row, "now": now_in_utc()}
        async with database.write() as conn:
            if (await conn.execute(RELEASE_MESSAGE, known)).one_or_none() is None:
                raise CommandError(f"there is no held message {message}")
        print(f"{message}: queued")

    _with_database(read_settings(), run_release)


@commands.command("openapi")
def print_openapi() -> None:
    """Print the OpenAPI document."""
    database = Database("postgresql+asyncpg://nobody@127.0.0.1/none", None, pool_size=1, pool_wait_seconds=1)
    print(json.dumps(openapi.document(create_app(database)), indent=2, ensure_ascii=False))


def _with_database(settings: Settings, task: Callable[[Database], Awaitable[None]]) -> None:
    async def run_task(urls: Urls) -> None:
        async with connected_to_work(urls) as database:
            await task(database)

    with postgres(settings, share=True) as urls:
        run_until_done(run_task(urls))


async def _sources(database: Database, public: str | None) -> list[Source]:
    if public is not None:
        return [await _source(database, public)]
    async with database.read() as conn:
        keys = (await conn.execute(SELECT_ALL_SOURCES)).all()
        return [await read_source(conn, account_id, source_id) for account_id, source_id in keys]


async def _source(database: Database, public: str) -> Source:
    source_id = row_id("src", public)
    async with database.read() as conn:
        account = await conn.execute(SELECT_ACCOUNT_OF_SOURCE, {"source_id": source_id or 0})
        account_id = account.scalar_one_or_none()
        if account_id is None or source_id is None:
            raise CommandError(f"there is no source {public}")
        return await read_source(conn, account_id, source_id)
