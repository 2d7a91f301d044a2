"""Scenes for the tests: a real PostgreSQL, a database per test, the real server on a real port.

Every statement that the service runs in a test is linted by statement_lint.py when it is first
seen; one that breaks a rule fails the test that ran it.
"""

import asyncio
import contextlib
import gc
import itertools
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
import uvicorn
from alembic import command
from alembic.config import Config
from hypothesis import HealthCheck, settings
from mail_sinks import SmtpSink, smtp_sink
from postal import Postbox, set_sender
from shop import OPERATOR, Store
from sqlalchemy import event
from statement_lint import findings

from app import local_postgres as local_server
from app.accounts.rate_limits import Quotas
from app.admission import FairUse, InFlight
from app.database.pools import Database
from app.http_server import BoundedProtocol
from app.local_postgres import local_postgres
from app.main import create_app
from app.sources.connections import Connections
from app.sources.connectors import CONNECTORS
from app.vault import Vault
from app.web.calls import WebCalls, trusting_public_authorities
from app.web.guard import Guard

ROOT = Path(__file__).parent.parent
SHARED = ROOT.parent / "shared"
NOW = datetime(2026, 3, 18, 12, 0, tzinfo=UTC)

settings.register_profile(
    "tests",
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    print_blob=True,
)
settings.load_profile("tests")

MANY = InFlight(in_all=5_000, of_an_account=5_000, of_a_key=5_000, without_a_key=5_000)
"""Tests of other things ask as often at once as they like."""
UNLIMITED = Quotas(requests=0, sends=0, expensive_reads=0)
UNLIMITED_SETTINGS = {f"RATE_LIMIT_{name}": "0" for name in ("REQUESTS", "SENDS", "EXPENSIVE_READS")}


def shared(*parts: str) -> Path:
    """A file of real material beside the project; the test is skipped where it is missing."""
    path = SHARED.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"{'/'.join(parts)} is not beside this checkout")
    return path


class Statements:
    """The statements that ran, in order, with the way they went: `read` or `write`."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []
        self._known: set[tuple[str, str]] = set()
        self._broken: list[str] = []

    def watch(self, database: Database) -> None:
        for purpose, pool in database.pools.items():
            way = "write" if purpose in {"writes", "rate limits"} else "read"
            event.listen(pool.engine.sync_engine, "before_cursor_execute", self._listener(way))

    def _listener(self, way: str) -> Any:
        def listen(_conn: Any, _cursor: Any, statement: str, _parameters: Any, _context: Any, many: bool) -> None:  # noqa: FBT001 - SQLAlchemy's signature
            self.seen.append((way, statement))
            if (way, statement) not in self._known:
                self._known.add((way, statement))
                self._broken += [f"{finding}:\n{statement}" for finding in findings(statement, way)]
            if many:
                self._broken.append(f"executemany is a round trip a row, bind arrays:\n{statement}")

        return listen

    def broken_rules(self) -> list[str]:
        """What the lint has found since it was last asked."""
        broken, self._broken = self._broken, []
        return broken

    @contextlib.contextmanager
    def during(self) -> Iterator[list[tuple[str, str]]]:
        """The statements that run inside the block."""
        begun = len(self.seen)
        block: list[tuple[str, str]] = []
        yield block
        block.extend(self.seen[begun:])


@dataclass
class Clock:
    """The service's clock, which a test may set."""

    now: datetime | None = None

    def __call__(self) -> datetime:
        return self.now or datetime.now(UTC)


@dataclass(frozen=True)
class Server:
    """The PostgreSQL of this test process."""

    folder: Path
    write: str
    read: str
    superuser: str

    async def run(self, *sql: str) -> None:
        conn = await asyncpg.connect(self.superuser)
        try:
            for statement in sql:
                await conn.execute(statement)
        finally:
            await conn.close()


def local_postgres_without_fsync(here: pytest.MonkeyPatch, folder: Path) -> Any:
    here.setattr(local_server, "SETTINGS", local_server.SETTINGS.replace("fsync=on", "fsync=off"))
    return local_postgres(folder)


def pytest_collection_finish() -> None:
    """Keep the collector off what was imported: it is told to collect after each test, to find what was left open."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """It does not wait for the disk: what it holds need outlive a crash of its own, but none of the machine."""
    folder = tmp_path_factory.mktemp("postgres")
    with pytest.MonkeyPatch.context() as here, local_postgres_without_fsync(here, folder) as urls:
        password = (folder / "password").read_text().strip()
        port = (folder / "port").read_text().strip()
        superuser = f"postgresql://postgres:{password}@127.0.0.1:{port}/postgres"
        config = Config(ROOT / "alembic.ini")
        config.attributes["url"] = urls.write
        command.upgrade(config, "head")
        yield Server(folder, urls.write, urls.read, superuser)


@dataclass(frozen=True)
class Urls:
    write: str
    read: str
    name: str


DATABASES = itertools.count(1)


@contextlib.asynccontextmanager
async def new_database(postgres: Server) -> AsyncIterator[Urls]:
    """A copy of the migrated database: tests commit and lock for real."""
    name = f"test_{next(DATABASES)}"
    await postgres.run(f"CREATE DATABASE {name} TEMPLATE loyalty OWNER loyalty")
    yield Urls(postgres.write.removesuffix("loyalty") + name, postgres.read.removesuffix("loyalty") + name, name)
    await postgres.run(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def urls(postgres: Server, request: pytest.FixtureRequest) -> AsyncIterator[Urls]:
    """The database of the test: its own, or that of `among_others`."""
    if others := others_of(request):
        yield others.urls
        return
    async with new_database(postgres) as urls:
        yield urls


def with_asyncpg(url: str) -> str:
    return url.replace("postgresql://", "postgresql+asyncpg://")


@pytest.fixture(scope="session")
def statements() -> Statements:
    return Statements()


@pytest.fixture(autouse=True)
def statements_keep_the_rules(statements: Statements) -> Iterator[None]:
    yield
    broken = statements.broken_rules()
    assert not broken, "\n".join(broken)


@pytest.fixture
def pool_size() -> int:
    """One connection each way: a request that held two would wait for itself."""
    return 1


@contextlib.asynccontextmanager
async def watched_database(urls: Urls, statements: Statements, pool_size: int) -> AsyncIterator[Database]:
    database = Database(with_asyncpg(urls.write), with_asyncpg(urls.read), pool_size=pool_size, pool_wait_seconds=20)
    statements.watch(database)
    yield database
    await database.close()


@pytest.fixture
async def database(
    urls: Urls, statements: Statements, pool_size: int, request: pytest.FixtureRequest
) -> AsyncIterator[Database]:
    if others := others_of(request):
        yield others.database
        return
    async with watched_database(urls, statements, pool_size) as database:
        yield database


@pytest.fixture
async def sql(urls: Urls) -> AsyncIterator[asyncpg.Connection]:
    """A look behind the curtain."""
    conn = await asyncpg.connect(urls.write)
    yield conn
    await conn.close()


@pytest.fixture
def midday(clock: Clock) -> None:
    """The service's clock stands still at NOW."""
    clock.now = NOW


@pytest.fixture
def clock(request: pytest.FixtureRequest) -> Clock:
    clock = others.clock if (others := others_of(request)) else Clock()
    clock.now = None
    return clock


@contextlib.asynccontextmanager
async def serving(app: Any) -> AsyncIterator[str]:
    """The application behind a real server on a real port; it ends as soon as its last answer is written."""
    config = uvicorn.Config(app, port=0, http=BoundedProtocol, log_level="error", access_log=False, lifespan="off")
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    ticking = asyncio.create_task(server.main_loop())
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    ticking.cancel()
    for listening in server.servers:
        listening.close()
    for connection in list(server.server_state.connections):
        connection.shutdown()
    while server.server_state.connections or server.server_state.tasks:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.005)
    gc.collect()


def new_connections() -> contextlib.aclosing[Connections]:
    return contextlib.aclosing(Connections(Vault.of_this_process(), CONNECTORS, WebCalls(Guard(["127.0.0.1"]))))


@pytest.fixture
async def connections() -> AsyncIterator[Connections]:
    """What connects stores; a test may have connectors of its own."""
    async with new_connections() as opened:
        yield opened


@contextlib.asynccontextmanager
async def new_service(database: Database, clock: Clock, connections: Connections) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a running service."""
    app = create_app(
        database, admin_key=OPERATOR, clock=clock, fair_use=FairUse(MANY, UNLIMITED), connections=connections
    )
    async with (
        serving(app) as url,
        httpx.AsyncClient(base_url=url, timeout=60, verify=trusting_public_authorities()) as client,
    ):
        yield client


@pytest.fixture
async def api(
    database: Database, clock: Clock, connections: Connections, request: pytest.FixtureRequest
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the service."""
    if others := others_of(request):
        yield others.api
        return
    async with new_service(database, clock, connections) as client:
        yield client


@dataclass(frozen=True)
class Others:
    """One service whose accounts many tests open, each its own."""

    urls: Urls
    database: Database
    clock: Clock
    api: httpx.AsyncClient


@pytest.fixture(scope="session")
async def among_others(postgres: Server, statements: Statements) -> AsyncIterator[Others]:
    """A service of its own takes longer than most tests: those that ask for this share one, unless marked `alone`."""
    clock = Clock()
    async with (
        new_database(postgres) as urls,
        watched_database(urls, statements, 1) as database,
        new_connections() as connections,
        new_service(database, clock, connections) as api,
    ):
        yield Others(urls, database, clock, api)


def others_of(request: pytest.FixtureRequest) -> Others | None:
    others: Others | None = None
    if "among_others" in request.fixturenames and not request.node.get_closest_marker("alone"):
        others = request.getfixturevalue("among_others")
    return others


@pytest.fixture
async def document(api: httpx.AsyncClient) -> Any:
    """The OpenAPI document that is served."""
    return (await api.get("/openapi.json")).json()


@pytest.fixture
def open_account(api: httpx.AsyncClient) -> Any:
    """Opens accounts; gives `(id, key)`."""

    async def opened(plan: str = "paid", name: str = "Ada's shops") -> tuple[str, str]:
        answer = await api.post(
            "/accounts", json={"name": name, "plan": plan}, headers={"Authorization": f"Bearer {OPERATOR}"}
        )
        assert answer.status_code == 201, answer.text
        return answer.json()["id"], answer.json()["api_key"]

    return opened


@pytest.fixture
def open_store(api: httpx.AsyncClient, open_account: Any, sql: asyncpg.Connection) -> Any:
    """Opens stores, each in an account of its own unless `beside` names another store."""

    async def opened(beside: Store | None = None, plan: str = "paid", **fields: Any) -> Store:
        account, key = (beside.account, beside.key) if beside else await open_account(plan)
        auth = {"Authorization": f"Bearer {key}"}
        audience = (await api.post("/audiences", json={"name": "Everyone"}, headers=auth)).json()["id"]
        wanted = {
            "audience": audience,
            "name": "Shop",
            "platform": "custom",
            "currency": "EUR",
            "time_zone": "UTC",
            **fields,
        }
        answer = await api.post("/sources", json=wanted, headers=auth)
        assert answer.status_code == 201, answer.text
        return Store(api, key, account, audience, answer.json()["id"], sql, wanted["currency"])

    return opened


@pytest.fixture
async def store(open_store: Any) -> Store:
    """A store that may write to its customers."""
    opened: Store = await open_store()
    await set_sender(opened)
    return opened


@pytest.fixture(scope="module")
def shared_sink(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmtpSink]:
    """A mail server that does what the module's SCRIPT says."""
    with smtp_sink(tmp_path_factory.mktemp("smtp") / "taken.jsonl", request.module.SCRIPT) as running:
        yield running


@pytest.fixture
def smtp(shared_sink: SmtpSink) -> Postbox:
    """The same with the mails of one test."""
    return Postbox(shared_sink, len(shared_sink.taken))


@contextlib.contextmanager
def service(data_dir: Path, *arguments: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """The service as a user starts it: `python -m app …` in a process of its own."""
    env = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "READ_DATABASE_URL"}}
    process = subprocess.Popen(
        [sys.executable, "-m", "app", *arguments],
        cwd=ROOT,
        env=env | UNLIMITED_SETTINGS | {"DATA_DIR": str(data_dir)} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(30)
            process.kill()
        process.communicate()


def wait_until(condition: Any, seconds: float = 30) -> None:
    """Poll until the condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)


@pytest.fixture(scope="session")
def migrated_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with a migrated database and no service on it."""
    folder = tmp_path_factory.mktemp("data") / "var"
    with service(folder, "migrate") as process:
        said, _ = process.communicate(timeout=100)
        assert process.returncode == 0, said
    return folder


@pytest.fixture
def data_dir(migrated_data: Path, tmp_path: Path) -> Path:
    """A data folder of its own, as a first start leaves it."""
    folder = tmp_path / "var"
    subprocess.run(["cp", "-a", migrated_data, folder], check=True)  # noqa: S607 - with its owners
    return folder


def days(number: float) -> timedelta:
    return timedelta(days=number)
