"""Pools: connections for each purpose, so that no kind of work takes those of another.

Keys and readiness have connections of their own, short reads, expensive reads and writes each a
pool. Reads run on AUTOCOMMIT connections that cannot write. A write is one transaction, committed
before the answer is sent. A pool has a fixed size and a bounded wait, and one account holds at most
half of it. Nothing else is waited for while a connection is held: no client, no thread, no turn.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Annotated, Any
from weakref import WeakValueDictionary

import asyncpg
from fastapi import Depends
from sqlalchemy import TextClause, event, text
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import QueuePool

from app.database.driver import execute_hot
from app.database.errors import DISK_FULL_SQLSTATE, sqlstate_of
from app.problems import ServiceUnavailable, TooManyRequests
from app.services import provided
from app.words import Sentence

TURN_WAIT_SECONDS = 25
"""How long a write waits for the writes of the same source before it."""

PLANS = ("SET plan_cache_mode = force_generic_plan", "SET enable_seqscan = off", "SET enable_memoize = off")
"""Each statement is written for its index: planning it each time would cost more than running it, and a plan made for
an empty table must not be kept. Memoize is off because no answer looks up the same customer twice."""

KEY_CONNECTIONS = 2
COUNT_LIMIT = "2s"
ANSWERS_SHARE = 3
"""Expensive reads have a pool of this part of the size of the others."""


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """How long sessions may wait and work, as PostgreSQL writes times; `0` is no limit."""

    lock: str
    read: str
    answer: str
    write: str


API_LIMITS = TimeLimits(lock="2s", read="5s", answer="60s", write="30s")
WORKER_LIMITS = TimeLimits(lock="30s", read="30s", answer="0", write="0")


def _limits(statement: str, *, lock: str = "0") -> tuple[str, ...]:
    """The settings of a session; only PostgreSQL 17 and later know `transaction_timeout`."""
    return (
        f"SET statement_timeout = '{statement}'",
        f"SET lock_timeout = '{lock}'",
        "SET idle_in_transaction_session_timeout = '60s'",
        f"SELECT set_config(name, '{statement}', false) FROM pg_settings WHERE name = 'transaction_timeout'",
    )


LIFT_TRANSACTION_TIMEOUT = text("SET LOCAL transaction_timeout = 0")
PATIENCE = (text("SET LOCAL statement_timeout = 0"), text("SET LOCAL lock_timeout = '30s'"), LIFT_TRANSACTION_TIMEOUT)

READ_ONLY = ("SET default_transaction_read_only = on",)

Connection = AsyncConnection
"""The connection that modules with statements are given."""

current_account: ContextVar[int | None] = ContextVar("current_account", default=None)
"""The account that this request is of; None for the operator, the worker and open routes."""


class Pool:
    """The connections of one purpose; where it `has_shares`, an account holds at most half of them."""

    def __init__(self, engine: AsyncEngine, size: int, wait_seconds: float, *, has_shares: bool) -> None:
        """A pool of `size` connections, each waited for at most `wait_seconds`."""
        self.engine = engine
        self.size = size
        self._has_shares = has_shares
        self._wait_seconds = wait_seconds
        self.waiting = 0
        self._shares: WeakValueDictionary[int | None, asyncio.Semaphore] = WeakValueDictionary()

    def connect(self) -> "Lease":
        """A connection for a block; TooManyRequests while the account of the request holds its half of the pool."""
        return Lease(self)

    async def share_of(self, account_id: int | None) -> asyncio.Semaphore | None:
        """The share of an account, of which one place is taken; all that is of no account has one share together."""
        if not self._has_shares:
            return None
        share = self._shares.get(account_id)
        if share is None:
            share = self._shares.setdefault(account_id, asyncio.Semaphore(max(1, self.size // 2)))
        if not share.locked():
            await share.acquire()
            return share
        try:
            await asyncio.wait_for(share.acquire(), self._wait_seconds)
        except TimeoutError:
            if account_id is None:
                raise ServiceUnavailable(Sentence("Too many requests without an account are under way.")) from None
            raise TooManyRequests(
                Sentence("This account has too many requests under way; send fewer at once.")
            ) from None
        return share

    @property
    def in_use(self) -> int:
        """How many connections are taken."""
        pool = self.engine.pool
        return pool.checkedout() if isinstance(pool, QueuePool) else 0


class Lease:
    """A connection of a pool for a block; a class, because a read spends less time in it than in a generator."""

    __slots__ = ("_conn", "_pool", "_share")

    def __init__(self, pool: Pool) -> None:
        """Nothing is taken yet."""
        self._pool = pool

    async def __aenter__(self) -> AsyncConnection:
        """Take a connection."""
        pool = self._pool
        self._share = await pool.share_of(current_account.get())
        pool.waiting += 1
        try:
            self._conn = await pool.engine.connect()
        except BaseException:
            if self._share is not None:
                self._share.release()
            raise
        finally:
            pool.waiting -= 1
        return self._conn

    async def __aexit__(self, *error: object) -> None:
        """Give it back."""
        try:
            await self._conn.__aexit__(*error)
        finally:
            if self._share is not None:
                self._share.release()


class Turns:
    """Whose turn it is to write to a source, in this process."""

    def __init__(self) -> None:
        """Nobody waits."""
        self._locks: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def turn(self, source_id: int) -> AsyncIterator[None]:
        """Wait for the writes of this source that came before; ServiceUnavailable when they take too long."""
        lock = self._locks.setdefault(source_id, asyncio.Lock())
        try:
            await asyncio.wait_for(lock.acquire(), TURN_WAIT_SECONDS)
        except TimeoutError:
            raise ServiceUnavailable(Sentence("Too many writes wait for this source; send fewer at once.")) from None
        try:
            yield
        finally:
            lock.release()


class Database:
    """The pools of one process."""

    def __init__(
        self,
        write_url: str,
        read_url: str | None,
        *,
        pool_size: int,
        pool_wait_seconds: float,
        limits: TimeLimits = API_LIMITS,
        turns: Turns | None = None,
        has_shares: bool = True,
    ) -> None:
        """Without a URL of their own, reads use the other one and set each session read-only.

        It `has_shares` unless all its work is of one kind: the worker's, or a command's.
        """

        def pool(url: str, size: int, *settings: str, shares: bool = has_shares, **options: Any) -> Pool:  # noqa: ANN401 - of create_async_engine
            engine = create_async_engine(url, pool_size=size, max_overflow=0, pool_timeout=pool_wait_seconds, **options)
            _at_connect(engine, *settings, *PLANS)
            event.listen(engine.sync_engine, "handle_error", _give_up_confused)
            return Pool(engine, size, pool_wait_seconds, has_shares=shares)

        def reads(size: int, statement: str, *, shares: bool = has_shares) -> Pool:
            settings = (*_limits(statement), *(READ_ONLY if read_url is None else ()))
            options = {"isolation_level": "AUTOCOMMIT", "pool_reset_on_return": None}
            return pool(read_url or write_url, size, *settings, shares=shares, **options)

        self.writing = pool(write_url, pool_size, *_limits(limits.write, lock=limits.lock))
        self.reading = reads(pool_size, limits.read)
        self.answering = reads(max(1, pool_size // ANSWERS_SHARE), limits.answer)
        self.checking = reads(min(pool_size, KEY_CONNECTIONS), limits.read, shares=False)
        lasting = _limits(COUNT_LIMIT, lock=COUNT_LIMIT)
        self.counting = pool(
            write_url, 1, *lasting, "SET synchronous_commit = off", shares=False, isolation_level="AUTOCOMMIT"
        )
        self.turns = turns or Turns()
        self.is_disk_full = False
        """Whether the last write failed because the disk of PostgreSQL is full; reads go on."""
        self._direct_url = write_url.replace("postgresql+asyncpg://", "postgresql://", 1)

    @property
    def pools(self) -> dict[str, Pool]:
        """The pools by their purpose."""
        return {
            "keys": self.checking,
            "reads": self.reading,
            "expensive reads": self.answering,
            "writes": self.writing,
            "rate limits": self.counting,
        }

    def read(self) -> Lease:
        """A connection on which each statement is a transaction of its own that cannot write."""
        return self.reading.connect()

    def check(self) -> Lease:
        """A connection like that of `read` which no route can take: for keys and readiness."""
        return self.checking.connect()

    def count(self) -> Lease:
        """A connection for counting requests: each statement is a transaction, which a crash of the server may lose."""
        return self.counting.connect()

    def answer(self) -> Lease:
        """A connection like that of `read`, for statements that read orders by the million."""
        return self.answering.connect()

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AsyncConnection]:
        """A connection whose statements all see the same moment, for answers too long for one statement."""
        async with self.answering.connect() as conn:
            await conn.execution_options(isolation_level="REPEATABLE READ")
            async with conn.begin():
                yield conn

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """One transaction."""
        try:
            async with self.writing.connect() as conn, conn.begin():
                yield conn
        except Exception as error:
            self.is_disk_full = self.is_disk_full or sqlstate_of(error) == DISK_FULL_SQLSTATE
            raise
        self.is_disk_full = False

    async def write_once(self, statement: TextClause, bound: Mapping[str, Any]) -> None:
        """Run one statement that is a transaction of its own, past SQLAlchemy: no BEGIN, no COMMIT."""
        async with self.writing.connect() as conn:
            driver: Any = (await conn.get_raw_connection()).driver_connection
            if driver.is_in_transaction():  # it would be rolled back, silently
                raise RuntimeError("a transaction is open")
            await execute_hot(conn, statement, bound)

    @asynccontextmanager
    async def write_in_turn(self, source_id: int) -> AsyncIterator[AsyncConnection]:
        """One transaction; writes of the same source in this process take turns.

        PostgreSQL's row lock keeps figures right. Waiting here first keeps one busy source from holding every
        connection of the pool.
        """
        async with self.turns.turn(source_id), self.write() as conn:
            yield conn

    @asynccontextmanager
    async def write_patiently(self, source_id: int) -> AsyncIterator[AsyncConnection]:
        """A write in turn that may take minutes, as to count all of a large source: only its locks have a limit."""
        async with self.write_in_turn(source_id) as conn:
            for setting in PATIENCE:
                if setting is not LIFT_TRANSACTION_TIMEOUT or (conn.dialect.server_version_info or ()) >= (17,):
                    await conn.execute(setting)
            yield conn

    async def listen(self, channel: str, heard: Callable[[], None]) -> None:
        """Call `heard` at every notification, for as long as the connection lives.

        It has a connection of its own. Notifications only save waiting: behind a pooler none arrive.
        """
        lost = asyncio.Event()
        conn = await asyncpg.connect(self._direct_url)
        try:
            conn.add_termination_listener(lambda _conn: lost.set())
            await conn.add_listener(channel, lambda *_: heard())
            await lost.wait()
        finally:
            conn.terminate()

    async def close(self) -> None:
        """Close all connections."""
        for pool in self.pools.values():
            await pool.engine.dispose()


def _give_up_confused(context: ExceptionContext) -> None:
    """Drop a connection that was cut off in the middle of an answer: it cannot be used again."""
    if isinstance(context.original_exception.__cause__, asyncpg.InternalClientError):
        context.is_disconnect = True


def _at_connect(engine: AsyncEngine, *settings: str) -> None:
    """Statements for each new connection; behind a pooler every session gets the same ones, so none can leak."""

    @event.listens_for(engine.sync_engine, "connect")
    def set_up(connection: Any, _record: object) -> None:  # noqa: ANN401 - SQLAlchemy's adapter has no public type
        cursor = connection.cursor()
        for setting in settings:
            cursor.execute(setting)
        cursor.close()
        connection.commit()  # else the first transaction of the session would take them back when it fails


Pools = Annotated[Database, provided(Database)]


async def _reading(database: Pools) -> AsyncIterator[AsyncConnection]:
    async with database.read() as conn:
        yield conn


async def _writing(database: Pools) -> AsyncIterator[AsyncConnection]:
    async with database.write() as conn:
        yield conn


ReadConn = Annotated[AsyncConnection, Depends(_reading, scope="function")]

WriteConn = Annotated[AsyncConnection, Depends(_writing, scope="function")]
