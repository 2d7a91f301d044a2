"""First start: a new data folder begins with the demo, which is complete before the service answers anyone."""

import os
import secrets
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from app.commands.running import CommandError, console, run_until_done
from app.connecting import Urls, connected, upgrade
from app.demo import DEMO_STORES, Demo, DemoError, make_demo
from app.logs import only_warnings
from app.main import create_app
from app.settings import Settings
from app.wire.instants import now_in_utc

MOST_SECONDS = 900

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


async def _fill(urls: Urls, settings: Settings, url: str, stored: Callable[[int], None]) -> Demo:
    operator_key = secrets.token_urlsafe()
    async with connected(urls, settings) as database:
        app = create_app(database, admin_key=operator_key)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=url, timeout=MOST_SECONDS) as client,
        ):
            try:
                return await make_demo(client, operator_key, now_in_utc(), stored)
            except DemoError as error:
                raise CommandError(f"the demo could not be made; DEMO=0 starts without it: {error}") from None


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
