"""Connecting: where this process finds PostgreSQL, and the pools that it opens there."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

from alembic import command
from alembic.config import Config
from alembic.util import CommandError

from app.database.pools import WORKER_LIMITS, Database, Turns
from app.local_postgres import LocalUrls, local_postgres
from app.operation import ROOT
from app.settings import Settings, SettingsError, asyncpg_url

WORKER_CONNECTIONS = 4
WORKER_WAIT_SECONDS = 30


@dataclass(frozen=True)
class Urls:
    """Where this process finds PostgreSQL."""

    write: str
    read: str | None
    embedded: bool
    is_running: Callable[[], bool] = lambda: True
    """Whether an embedded server still runs."""


@contextmanager
def postgres(settings: Settings, *, share: bool, fill: Callable[[Urls], None] | None = None) -> Iterator[Urls]:
    """The database of the settings, or the embedded one, which `fill` gets first where it is new."""
    if settings.database_url is not None:
        read = settings.read_database_url
        yield Urls(settings.database_url.get_secret_value(), read.get_secret_value() if read else None, embedded=False)
        return
    filled = None if fill is None else (lambda new: fill(_embedded(new)))
    with local_postgres(settings.data_dir, share=share, fill=filled) as urls:
        yield _embedded(urls)


def _embedded(urls: LocalUrls) -> Urls:
    return Urls(asyncpg_url(urls.write), asyncpg_url(urls.read), embedded=True, is_running=urls.is_running)


@asynccontextmanager
async def connected(urls: Urls, settings: Settings) -> AsyncIterator[Database]:
    """The pools of the API, closed at the end."""
    async with closing(
        Database(urls.write, urls.read, pool_size=settings.pool_size, pool_wait_seconds=settings.pool_wait_seconds)
    ) as database:
        yield database


@asynccontextmanager
async def connected_to_work(urls: Urls, turns: Turns | None = None) -> AsyncIterator[Database]:
    """The pools of the worker and of commands, with more patience; `turns` are those of an API in this process."""
    async with closing(
        Database(
            urls.write,
            urls.read,
            pool_size=WORKER_CONNECTIONS,
            pool_wait_seconds=WORKER_WAIT_SECONDS,
            limits=WORKER_LIMITS,
            turns=turns,
            has_shares=False,
        )
    ) as database:
        yield database


@asynccontextmanager
async def closing(database: Database) -> AsyncIterator[Database]:
    """The database, whose connections are closed at the end."""
    try:
        yield database
    finally:
        await database.close()


def upgrade(urls: Urls) -> None:
    """Migrate the schema to the version of this code; SettingsError when the database has a version unknown to it."""
    config = Config(ROOT / "alembic.ini")
    config.attributes["url"] = urls.write
    try:
        command.upgrade(config, "head")
    except CommandError:
        raise SettingsError(
            "the database was made by another version of this service; use that version or an empty database"
        ) from None
