"""Bare server: the statement of the page and nothing around it.

What a page costs with uvicorn and asyncpg alone: no routing, no key, no validation, no
headers beyond the two of the body. The service runs the same statement with the same parameters.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
from asyncpg.prepared_stmt import PreparedStatement
from sqlalchemy.dialects import registry

from app.leaderboard.ranking import Metric, board_page
from app.leaderboard.read_board import Asked, Question, resolve
from app.periods import TimeFrame
from benchmarks.material import NOW
from benchmarks.scene import POOL_SIZE, Scene

Message = dict[str, Any]


async def question(scene: Scene, time_frame: TimeFrame) -> Question:
    """The spenders of a time frame."""
    database = scene.database()
    source = await scene.source(database)
    await database.close()
    return resolve(source, Asked(Metric.SPEND, time_frame, NOW, None, None, compared=False))


def page_statement(asked: Question, limit: int) -> tuple[str, list[Any]]:
    """The first page's SQL and parameters as asyncpg takes them."""
    dialect = registry.load("postgresql.asyncpg")()
    compiled = board_page(asked.asked.metric, continued=False, compared=False).compile(dialect=dialect)
    bound = asked.parameters() | {"limit": limit}
    return str(compiled), [bound[name] for name in compiled.positiontup or ()]


class Bare:
    """An ASGI application that answers everything with one page."""

    def __init__(self, scene: Scene) -> None:
        """Connections are made when the server starts."""
        self._scene = scene
        self._idle: asyncio.LifoQueue[PreparedStatement[asyncpg.Record]] = asyncio.LifoQueue()
        self._parameters: list[Any] = []

    async def start(self) -> None:
        """Connect and prepare, as often as the service has connections."""
        sql, self._parameters = page_statement(await question(self._scene, TimeFrame.LAST_MONTH), 100)
        for _ in range(POOL_SIZE):
            conn = await asyncpg.connect(self._scene.read)
            self._idle.put_nowait(await conn.prepare(sql))

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        """Answer a request."""
        if scope["type"] == "lifespan":
            await receive()
            await self.start()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        statement = await self._idle.get()
        try:
            row = await statement.fetchrow(*self._parameters)
        finally:
            self._idle.put_nowait(statement)
        body = row["items"].encode() if row else b""
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def bare_app(scene: Scene) -> Any:  # noqa: ANN401 - uvicorn's own type of an application is wider than what it calls
    """The application."""
    return Bare(scene)
