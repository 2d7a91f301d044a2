"""Order commands: taking in a file, and making boards equal to the orders."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from app.boards.recount import repair
from app.boards.verify import verify
from app.commands.running import CommandError, chosen_source, chosen_sources, command_now, console, with_database
from app.database.errors import ERRORS, operator_line
from app.database.pools import Database
from app.orders.file_options import ImportOptions
from app.orders.import_orders import import_rows, orders_of, preview_rows
from app.orders.import_progress import Import
from app.orders.order_file import OrderFile
from app.orders.read_columns import UnknownColumns
from app.orders.read_orders import OrderReader
from app.problems import InvalidRequest
from app.settings import read_settings
from app.vocabulary import FileFormat
from app.wire.ids import public_id

READ_AT_ONCE_BYTES = 64 * 1024
SHOWN_FAULTS = 20


def import_file(
    source: Annotated[str, typer.Argument(help="the source's id, src_…")],
    file: Annotated[Path, typer.Argument(help="orders as .csv, .ndjson or .xlsx, the first two plain or .gz")],
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="report, and store nothing")] = False,
    lenient: Annotated[bool, typer.Option("--lenient", help="exit 0 even if rows were refused")] = False,
) -> None:
    """Store the orders of a file; exit status 1 if a row was refused."""
    if not file.is_file():
        raise CommandError(f"there is no file {file}")

    async def run_import(database: Database) -> None:
        store = await chosen_source(database, source)
        with _progress_of(file) as advance:
            file_format = FileFormat.NDJSON if {".ndjson", ".jsonl"} & {*file.suffixes} else FileFormat.CSV
            orders = OrderFile(_chunks(file, advance), file_format, ImportOptions().as_written(), store)
            reader = OrderReader()
            run = preview_rows if dry_run else import_rows
            try:
                done = await run(database, store, orders, orders_of(reader), command_now)
            except (UnknownColumns, InvalidRequest) as problem:
                told = [str(problem.detail), *(str(error["detail"]) for error in problem.errors)]
                raise CommandError(" ".join(told)) from None
            finally:
                reader.close()
        _show_faults(done)
        print(
            f"{public_id('imp', done.id) if done.id else 'dry run'}: {done.received} received,"
            f" {done.tally.created} created, {done.tally.updated} updated, {done.tally.unchanged} unchanged,"
            f" {done.folded} folded, {done.ignored} ignored, {done.rejected_count} rejected"
        )
        if done.rejected_count and not lenient:
            raise CommandError(f"{done.rejected_count} rows were refused; --lenient makes this no failure")

    with_database(read_settings(), run_import)


def _show_faults(done: Import) -> None:
    """A table of the first refused rows, and of those that are odd."""
    if not done.rejected and not done.warnings:
        return
    table = Table("line", "order", "what", "code", "why")
    for what, rows in (("refused", done.rejected), ("warning", done.warnings)):
        for lines, each in rows[:SHOWN_FAULTS]:
            line = str(lines.line) if lines.line == lines.last_line else f"{lines.line}-{lines.last_line}"
            for code, detail in ((each.code, each.detail), *each.others):
                table.add_row(line, escape(each.order_id or ""), what, code, escape(str(detail)))
    Console(stderr=True, soft_wrap=True).print(table)


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


def rebuild_all(source: Annotated[str | None, typer.Argument(help="one source, src_…; else all")] = None) -> None:
    """Fill all boards afresh from the orders."""

    async def run_rebuild(database: Database) -> None:
        failed: list[str] = []
        for store in await chosen_sources(database, source):
            name = public_id("src", store.id)
            try:
                async with database.write_in_turn(store.id) as conn:
                    await repair(conn, store, command_now())
            except ERRORS as error:
                failed.append(name)
                print(f"{name}: {operator_line(error)}")
            else:
                print(f"{name}: rebuilt")
        if failed:
            raise CommandError(f"not rebuilt: {', '.join(failed)}")

    with_database(read_settings(), run_rebuild)


def verify_all(source: Annotated[str | None, typer.Argument(help="one source, src_…; else all")] = None) -> None:
    """Recompute every board from the orders and report what differs; exit status 1 if anything does."""

    async def run_verify(database: Database) -> None:
        found = 0
        for store in await chosen_sources(database, source):
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
            raise CommandError("what is stored is not what the orders say; `python -m app rebuild` repairs it")

    with_database(read_settings(), run_verify)
