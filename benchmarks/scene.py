"""Scene: a PostgreSQL of its own in a temporary folder, with one account and one store.

Three databases, alike until they are loaded: `loyalty` for the boards, `copied` for COPY,
`posted` for orders in requests. So nothing is measured on tables that something else has filled.
"""

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import asyncpg

from app.accounts.open_account import open_account
from app.boards.source import Source, read_source
from app.connecting import Urls, upgrade
from app.database.pools import Database
from app.local_postgres import LocalUrls, local_postgres
from app.settings import Settings, asyncpg_url
from app.sources.connect_source import connect_source
from app.sources.statements import INSERT_AUDIENCE
from app.wire.ids import public_id
from benchmarks.material import NOW

STORE = {
    "name": "Shop",
    "platform": "custom",
    "currency": "EUR",
    "time_zone": "Europe/Rome",
    "week_start": "monday",
}
POOL_SIZE = int(Settings.model_fields["pool_size"].default)
POOL_WAIT_SECONDS = 30


@dataclass(frozen=True)
class Scene:
    """Where everything is; plain values, so that other processes can be told."""

    folder: str
    write: str
    read: str
    superuser: str
    key: str
    account_id: int
    audience_id: int
    source_id: int

    def on(self, database: str) -> "Scene":
        """The same in another database."""
        write, read, superuser = (_at(url, database) for url in (self.write, self.read, self.superuser))
        return replace(self, write=write, read=read, superuser=superuser)

    def database(self) -> Database:
        """Pools as the service has them."""
        read, write = asyncpg_url(self.read), asyncpg_url(self.write)
        return Database(write, read, pool_size=POOL_SIZE, pool_wait_seconds=POOL_WAIT_SECONDS)

    def board_path(self, **question: str | int) -> str:
        """The path of a page of a board."""
        asked = {
            "audience": public_id("aud", self.audience_id),
            "source": public_id("src", self.source_id),
            **question,
        }
        return "/leaderboard?" + "&".join(f"{name}={value}" for name, value in asked.items())

    async def source(self, database: Database) -> Source:
        """The store."""
        async with database.read() as conn:
            return await read_source(conn, self.account_id, self.source_id)


def _at(url: str, database: str) -> str:
    return f"{url.rpartition('/')[0]}/{database}"


async def run_as_superuser(scene: Scene, *statements: str) -> None:
    """Run what only the database's owner or superuser may."""
    conn = await asyncpg.connect(scene.superuser)
    try:
        for statement in statements:
            await conn.execute(statement)
    finally:
        await conn.close()


@contextmanager
def opened() -> Iterator[Scene]:
    """The scene, gone at the end."""
    with (
        tempfile.TemporaryDirectory(prefix="loyalty-benchmarks-") as folder,
        local_postgres(Path(folder, "postgres")) as urls,
    ):
        upgrade(Urls(asyncpg_url(urls.write), asyncpg_url(urls.read), embedded=True))
        yield asyncio.run(_furnished(folder, urls))


async def _furnished(folder: str, urls: LocalUrls) -> Scene:
    server = Path(folder, "postgres")
    password, port = ((server / name).read_text().strip() for name in ("password", "port"))
    superuser = f"postgresql://postgres:{password}@127.0.0.1:{port}/postgres"
    scene = Scene(folder, urls.write, urls.read, superuser, "", 0, 0, 0)
    database = scene.database()
    async with database.write() as conn:
        account_id, key = await open_account(conn, "Benchmark", "paid", NOW)
        audience = {"account_id": account_id, "name": "Everyone", "now": NOW}
        audience_id = (await conn.execute(INSERT_AUDIENCE, audience)).scalar_one()
        source = await connect_source(conn, account_id, audience_id, STORE, NOW)
    await database.close()
    copies = (f"CREATE DATABASE {name} TEMPLATE loyalty OWNER loyalty" for name in ("copied", "posted"))
    await run_as_superuser(scene, *copies)
    scene = scene.on("loyalty")
    return replace(scene, key=key, account_id=account_id, audience_id=audience_id, source_id=source.id)
