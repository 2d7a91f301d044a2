"""First start: a new data folder begins with the demo, which is complete before the service answers anyone."""

import os
import secrets
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated

import httpx
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from sqlalchemy import text

from app.commands.running import CommandError, console, run_until_done
from app.connecting import Urls, connected, postgres, upgrade
from app.database.rows import change_rows
from app.demo import DEMO_STORES, Demo, DemoError, make_demo
from app.local_postgres import has_cluster, remove_cluster
from app.logs import only_warnings
from app.main import create_app
from app.settings import Settings, read_settings

MOST_SECONDS = 900

SET_CURSOR_SECRET = text("UPDATE accounts SET cursor_secret = :secret WHERE id = 1")
SECRET_OF_TESTS = b"a service whose clock stands still"
"""What seals the cursors and browser tokens of a demo for tests: everybody knows it, so that all bytes repeat."""

PROGRESS_COLUMNS = (TextColumn("{task.description}"), BarColumn(20), MofNCompleteColumn(), TimeElapsedColumn())
TITLE = "Making the demo before serving"


def fill_with_demo(urls: Urls, settings: Settings, url: str) -> None:
    """Fill a new database with the demo, store its key in a file and print how to ask it at `url`."""
    upgrade(urls)
    with only_warnings(), _progress() as stored:
        demo = run_until_done(_fill(urls, settings, url, stored))
    key_file = settings.data_dir / "demo.key"
    _keep(key_file, demo.api_key)
    _tell(url, key_file, demo)


def reset_demo(
    *,
    reset: Annotated[bool, typer.Option("--reset", help="remove the database that is there and all its data")] = False,
) -> None:
    """Make the demo in DATA_DIR without serving it; with CLOCK it is the same to the byte on every machine and day."""
    settings = read_settings()
    if settings.database_url is not None:
        raise CommandError("the demo is made in DATA_DIR alone; leave DATABASE_URL out")
    if has_cluster(settings.data_dir):
        if not reset:
            raise CommandError(f"{settings.data_dir} has a database; --reset removes it and all it holds")
        remove_cluster(settings.data_dir)
    fill = partial(fill_with_demo, settings=settings, url=f"http://{settings.host}:{settings.port}")
    with postgres(settings, share=False, fill=fill):
        pass


async def _fill(urls: Urls, settings: Settings, url: str, stored: Callable[[int], None]) -> Demo:
    operator_key = secrets.token_urlsafe()
    async with connected(urls, settings) as database:
        clock = settings.service_clock
        app = create_app(database, admin_key=operator_key, clock=clock)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=url, timeout=MOST_SECONDS) as client,
        ):
            try:
                demo = await make_demo(client, operator_key, clock(), stored)
            except DemoError as error:
                raise CommandError(f"the demo could not be made; DEMO=0 starts without it: {error}") from None
        if settings.clock is not None:
            async with database.write() as conn:
                await change_rows(conn, SET_CURSOR_SECRET, {"secret": SECRET_OF_TESTS})
    return demo


@contextmanager
def _progress() -> Iterator[Callable[[int], None]]:
    """One line: on a terminal it grows with the number of orders that were sent, elsewhere it says what is done."""
    orders = sum(store.orders for store in DEMO_STORES)
    if not console.is_terminal:
        console.print(f"{TITLE}: {orders:,} orders, about half a minute …", highlight=False, soft_wrap=True)
    with Progress(*PROGRESS_COLUMNS, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task(TITLE, total=orders)
        yield lambda more: progress.advance(task, more)


def _keep(key_file: Path, key: str) -> None:
    """Write the key to a file that only we may read, and that is never half written under its name."""
    draft = key_file.with_name(f"{key_file.name}.new")
    draft.unlink(missing_ok=True)
    with open(draft, "x", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
        file.write(f"{key}\n")
    draft.rename(key_file)


def _tell(url: str, key_file: Path, demo: Demo) -> None:
    """Print how to ask the demo; its key stands in its file alone, so that no log holds it."""
    where = f"audience={demo.audience}&source={demo.source}"
    ask = f'curl -sH "Authorization: Bearer $(cat {shlex.quote(str(key_file))})"'
    print(f"""
The demo account's API key is in {key_file}. Ask it:

  {ask} '{url}/leaderboard?{where}&limit=3'
  {ask} '{url}/leaderboard?{where}&time_frame=year_to_date&rank_by=number_of_purchases&compare=previous&limit=3'
  {ask} -H 'Accept: text/csv' '{url}/leaderboard?{where}&time_frame=all_time' | head
""", flush=True)  # fmt: skip
