"""Pools: one for reads and one for writes.

Reads are single statements on AUTOCOMMIT connections that cannot write. A write is one
transaction, committed before the answer is sent. A pool has a fixed size and a bounded
wait; when it is over, the answer is 503.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Annotated, Any
from weakref import WeakValueDictionary

import asyncpg
from fastapi import Depends
from sqlalchemy import TextClause, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from app.database.driver import execute_hot
from app.problems import ServiceUnavailable
from app.services import provided

TURN_WAIT_SECONDS = 25
"""How long a write waits for the writes of the same source before it."""

PLANS = ("SET plan_cache_mode = force_generic_plan", "SET enable_seqscan = off", "SET enable_memoize = off")
"""Each statement is written for its index: planning it each time would cost more than running it, and a plan made for
an empty table must not be kept. Memoize is off because no answer looks up the same customer twice."""

WRITE_LIMITS = ("SET lock_timeout = '30s'", "SET idle_in_transaction_session_timeout = '60s'")

READ_LIMITS = ("SET statement_timeout = '30s'",)

READ_ONLY = ("SET default_transaction_read_only = on",)

Connection = AsyncConnection
"""The connection that modules with statements are given."""


class Database:
    """The pools of one process."""

    def __init__(self, write_url: str, read_url: str | None, *, pool_size: int, pool_wait_seconds: float) -> None:
        """Without a URL of their own, reads use the other one and set each session read-only."""
        common: dict[str, Any] = {"pool_size": pool_size, "max_overflow": 0, "pool_timeout": pool_wait_seconds}
        self.writing = create_async_engine(write_url, **common)
        self.reading = create_async_engine(
            read_url or write_url, isolation_level="AUTOCOMMIT", pool_reset_on_return=None, **common
        )
        _at_connect(self.writing, *WRITE_LIMITS, *PLANS)
        _at_connect(self.reading, *READ_LIMITS, *PLANS, *(READ_ONLY if read_url is None else ()))
        for engine in (self.writing, self.reading):
            event.listen(engine.sync_engine, "handle_error", _give_up_confused)
        self._direct_url = write_url.replace("postgresql+asyncpg://", "postgresql://", 1)
        self._turns: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A connection on which each statement is a transaction of its own that cannot write."""
        async with self.reading.connect() as conn:
            yield conn

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AsyncConnection]:
        """A connection whose statements all see the same moment, for answers too long for one statement."""
        async with self.reading.connect() as conn:
            await conn.execution_options(isolation_level="REPEATABLE READ")
            async with conn.begin():
                yield conn

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """One transaction."""
        async with self.writing.begin() as conn:
            yield conn

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
        turn = self._turns.setdefault(source_id, asyncio.Lock())
        try:
            await asyncio.wait_for(turn.acquire(), TURN_WAIT_SECONDS)
        except TimeoutError:
            raise ServiceUnavailable("Too many writes wait for this source; send fewer at once.") from None
        try:
            async with self.write() as conn:
                yield conn
        finally:
            turn.release()

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
        await self.writing.dispose()
        await self.reading.dispose()


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
