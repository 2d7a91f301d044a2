"""Bare server: the statement of the page and nothing around it.

What a page costs with uvicorn and asyncpg alone: no routing, no key, no validation, no
headers beyond the two of the body. The service runs the same statement with the same parameters.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
from asyncpg.prepared_stmt import PreparedStatement

from app.periods import TimeFrame
from benchmarks.first_page import question, statement_of
from benchmarks.scene import POOL_SIZE, Scene

Message = dict[str, Any]


class Bare:
    """An ASGI application that answers everything with one page."""

    def __init__(self, scene: Scene) -> None:
        """Connections are made when the server starts."""
        self._scene = scene
        self._idle: asyncio.LifoQueue[PreparedStatement[asyncpg.Record]] = asyncio.LifoQueue()
        self._parameters: tuple[Any, ...] = ()

    async def start(self) -> None:
        """Connect and prepare, as often as the service has connections."""
        sql, self._parameters = await statement_of(self._scene, await question(self._scene, TimeFrame.LAST_MONTH))
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
