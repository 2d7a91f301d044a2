"""Reference servers: the same page by the least code, by the usual one, and by the service itself."""

import asyncio
import json
import os
import socket
import sys
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import asyncpg
import uvicorn
from asyncpg.prepared_stmt import PreparedStatement
from fastapi import Depends, FastAPI, Query
from sqlalchemy import Row as Record
from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from app.accounts.rate_limits import Quotas
from app.admission import FairUse
from app.boards.schemas import Buyer
from app.commands.running import collect_seldom
from app.leaderboard.schemas import Board, BoardQuery, Row
from app.logs import log_as_json
from app.main import create_app
from app.periods import Calendar, Period, TimeFrame
from app.settings import asyncpg_url
from app.tables import boards, customers, standings
from app.vocabulary import BoardKind
from app.wire.ids import public_id
from app.wire.instants import rfc3339
from app.wire.money import decimal_string
from benchmarks.board_page import question, statement_of
from benchmarks.receive_webhooks import known_connections
from benchmarks.scene import NOW, POOL_SIZE, STORE, Scene

Message = dict[str, Any]
MANY_REQUESTS = Quotas(requests=600_000, sends=600_000, expensive_reads=600_000, tokens=600_000)
"""Far more than a benchmark asks, so that its requests are counted and none is refused."""


class Bare(ABC):
    """An ASGI application that runs one prepared statement a request and does nothing else."""

    def __init__(self, scene: Scene) -> None:
        """Connections are made when the server starts, as many as the service has."""
        self.scene = scene
        self._idle: asyncio.LifoQueue[PreparedStatement[asyncpg.Record]] = asyncio.LifoQueue()

    @abstractmethod
    async def prepared(self) -> "PreparedStatement[asyncpg.Record]":
        """The statement, on a connection of its own."""

    @abstractmethod
    async def answer(
        self, statement: "PreparedStatement[asyncpg.Record]", receive: Callable[[], Awaitable[Message]]
    ) -> bytes:
        """The body of an answer."""

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        """Answer a request."""
        if scope["type"] == "lifespan":
            await receive()
            for _ in range(POOL_SIZE):
                self._idle.put_nowait(await self.prepared())
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        statement = await self._idle.get()
        try:
            body = await self.answer(statement, receive)
        finally:
            self._idle.put_nowait(statement)
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


class BarePage(Bare):
    """Answers everything with one page."""

    _parameters: tuple[Any, ...] = ()

    async def prepared(self) -> "PreparedStatement[asyncpg.Record]":
        """The statement of a page of last month's board."""
        sql, self._parameters = await statement_of(self.scene, await question(self.scene, TimeFrame.LAST_MONTH))
        return await (await asyncpg.connect(self.scene.read)).prepare(sql)

    async def answer(
        self, statement: "PreparedStatement[asyncpg.Record]", receive: Callable[[], Awaitable[Message]]
    ) -> bytes:
        """The page as PostgreSQL writes it."""
        del receive  # a page is asked for without a body
        row = await statement.fetchrow(*self._parameters)
        return row["items"].encode() if row else b""


CREATE_BARE_INBOX = """
    CREATE TABLE IF NOT EXISTS bare_inbox (
        id bigserial PRIMARY KEY, body bytea NOT NULL, received_at timestamptz NOT NULL DEFAULT now()
    )
"""


class BareInbox(Bare):
    """Commits every body by one INSERT."""

    async def prepared(self) -> "PreparedStatement[asyncpg.Record]":
        """The INSERT."""
        conn = await asyncpg.connect(self.scene.write)
        await conn.execute(CREATE_BARE_INBOX)
        return await conn.prepare("INSERT INTO bare_inbox (body) VALUES ($1)")

    async def answer(
        self, statement: "PreparedStatement[asyncpg.Record]", receive: Callable[[], Awaitable[Message]]
    ) -> bytes:
        """Nothing, once the body is stored."""
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        await statement.fetch(body)
        return b""


DIGITS = 2


def page(scene: Scene, period: Period, limit: int) -> Select[Any]:
    """The rows of a page with the names of its customers."""
    board = select(boards.c.id).where(
        boards.c.account_id == scene.account_id,
        boards.c.source_id == scene.source_id,
        boards.c.kind == period.kind.value,
        boards.c.start == period.start,
    )
    best = (
        select(standings, func.rank().over(order_by=standings.c.spend.desc()).label("rank"))
        .where(standings.c.account_id == scene.account_id, standings.c.board_id == board.scalar_subquery())
        .order_by(standings.c.spend.desc(), standings.c.customer_id)
        .limit(limit)
        .subquery("best")
    )
    return (
        select(
            best,
            customers.c.external_id,
            customers.c.name,
            customers.c.email,
            customers.c.marketing,
            boards.c.customers,
            boards.c.purchases.label("board_purchases"),
            boards.c.spend.label("board_spend"),
        )
        .join(customers, (customers.c.account_id == best.c.account_id) & (customers.c.id == best.c.customer_id))
        .join(boards, (boards.c.account_id == best.c.account_id) & (boards.c.id == best.c.board_id))
        .order_by(best.c.spend.desc(), best.c.customer_id)
    )


def ranked(row: Record[Any]) -> Row:
    """A record as its model."""
    return Row(
        rank=row.rank,
        customer=Buyer(
            id=public_id("cus", row.customer_id),
            external_id=row.external_id,
            name=row.name,
            email=row.email,
            messageable=row.marketing == "subscribed" and row.email is not None,
        ),
        number_of_purchases=row.purchases,
        total_spend=decimal_string(row.spend, DIGITS),
        average_order_amount=decimal_string(row.average, DIGITS),
        last_order_at=rfc3339(row.last_order_at),
        previous_rank=None,
        movement=None,
        is_new=False,
    )


def usual_app(scene: Scene) -> FastAPI:
    """The application."""
    engine = create_async_engine(
        asyncpg_url(scene.read), pool_size=POOL_SIZE, max_overflow=0, isolation_level="AUTOCOMMIT"
    )
    calendar = Calendar(ZoneInfo(STORE["time_zone"]))
    app = FastAPI()

    async def connection() -> AsyncIterator[AsyncConnection]:
        async with engine.connect() as conn:
            yield conn

    @app.get("/leaderboard", response_model=Board)
    async def read_leaderboard(
        query: Annotated[BoardQuery, Query()], conn: Annotated[AsyncConnection, Depends(connection)]
    ) -> dict[str, Any]:
        period = calendar.period(BoardKind.MONTH, NOW, back=1)
        rows = (await conn.execute(page(scene, period, query.limit))).all()
        return {
            "audience": query.audience,
            "source": query.source,
            "rank_by": query.rank_by,
            "time_frame": query.time_frame,
            "start": period.counted_from.isoformat(),
            "end": period.counted_until.isoformat(),
            "time_zone": STORE["time_zone"],
            "as_of": rfc3339(NOW),
            "currency": STORE["currency"],
            "customers": rows[0].customers,
            "number_of_purchases": rows[0].board_purchases,
            "total_spend": decimal_string(int(rows[0].board_spend), DIGITS),
            "items": [ranked(row) for row in rows],
            "next_cursor": None,
        }

    return app


def service(scene: Scene) -> FastAPI:
    """The service as `python -m app serve` makes it."""
    log_as_json()
    collect_seldom()
    fair_use = FairUse(quotas=MANY_REQUESTS)
    return create_app(scene.database(), clock=lambda: NOW, fair_use=fair_use, connections=known_connections())


APPLICATIONS: dict[str, Callable[[Scene], Any]] = {
    "service": service,
    "bare": BarePage,
    "inserting": BareInbox,
    "usual": usual_app,
}


def main() -> None:
    """Serve what the command line names."""
    scene = Scene(**json.loads(sys.stdin.readline()))
    config = uvicorn.Config(
        APPLICATIONS[sys.argv[1]](scene),
        loop="uvloop",
        http="httptools",
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_keep_alive=60,
    )
    listening = socket.create_server(("127.0.0.1", 0))
    print(listening.getsockname()[1], flush=True)
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
    uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    main()
