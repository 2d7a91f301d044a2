"""Serving: the API on its port until told to stop, and the background work beside it.

A signal ends it in order: no new requests, the answers under way, the worker's round, the
pools; only then does the caller stop PostgreSQL.
"""

import asyncio
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

from app.database.pools import Database
from app.http_server import BoundedProtocol
from app.messages.sending.deliver_messages import Delivery
from app.settings import SettingsError
from app.wire.instants import now_in_utc
from app.worker import work

STOPPING = (signal.SIGINT, signal.SIGTERM)
KEEP_ALIVE_SECONDS = 60
DRAIN_SECONDS = 25
DATABASE_POLL_SECONDS = 1


class Server(uvicorn.Server):
    """A server that stops at a signal and returns; uvicorn's own would raise the signal again and end the process."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle the signals while requests are answered."""
        before = {number: signal.signal(number, self.handle_exit) for number in STOPPING}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def taken_port(host: str, port: int) -> socket.socket:
    """A socket of this address that does not listen yet; taken before anything else is begun."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        taken = socket.socket(family, kind, protocol)
    except OSError as error:
        raise SettingsError(f"HOST: {host} is no address of this machine: {error.strerror}") from None
    try:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(address)
    except OSError as error:
        taken.close()
        raise SettingsError(f"PORT: cannot listen on {host}:{port}: {error.strerror}") from None
    return taken


async def serve_until_stopped(
    app: FastAPI,
    database: Database,
    listener: socket.socket,
    delivery: Delivery | None,
    is_running: Callable[[], bool],
) -> None:
    """Answer requests until a signal, then end in order; with a `delivery` do the background work too.

    It also ends when the database server is no longer running that this process has started.
    """
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        http=BoundedProtocol,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )
    stop = asyncio.Event()
    background = asyncio.create_task(work(database, now_in_utc, stop, delivery)) if delivery else None
    server = Server(config)
    watching = asyncio.create_task(_end_with_database(server, is_running))
    try:
        await server.serve(sockets=[listener])
    finally:
        watching.cancel()
        stop.set()
        if background is not None:
            await background


async def _end_with_database(server: Server, is_running: Callable[[], bool]) -> None:
    while is_running():  # noqa: ASYNC110 - a process that ends tells nobody but its parent
        await asyncio.sleep(DATABASE_POLL_SECONDS)
    server.should_exit = True
