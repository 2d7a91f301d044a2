"""Serving: the API on its port until told to stop, and the background work beside it.

A signal ends it in order: no new requests, the answers under way, the worker's round, the
pools; only then does the caller stop PostgreSQL.
"""

import asyncio
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext
from types import FrameType

import uvicorn
from fastapi import FastAPI

from app.http_server import BoundedProtocol
from app.problems import log
from app.process_metrics import Metrics
from app.settings import SettingsError
from app.wire.instants import Clock
from app.worker import Background, work

STOPPING = (signal.SIGINT, signal.SIGTERM)
KEEP_ALIVE_SECONDS = 60
DRAIN_SECONDS = 25
DATABASE_POLL_SECONDS = 1


class Server(uvicorn.Server):
    """A server that stops at a signal and returns; uvicorn's own would raise the signal again and end the process."""

    def __init__(self, config: uvicorn.Config, told_to_stop: Callable[[], None]) -> None:
        """`told_to_stop` is called at the signal."""
        super().__init__(config)
        self._told_to_stop = told_to_stop

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop."""
        self._told_to_stop()
        super().handle_exit(sig, frame)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle the signals while requests are answered."""
        before = {number: signal.signal(number, self.handle_exit) for number in STOPPING}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def taken_port(host: str, port: int, setting: str) -> socket.socket:
    """A socket of this address that does not listen yet, taken before anything else is begun; `setting` named it."""
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
        raise SettingsError(f"{setting}: cannot listen on {host}:{port}: {error.strerror}") from None
    return taken


async def serve_until_stopped(
    app: FastAPI,
    listener: socket.socket,
    background: Background | None,
    is_running: Callable[[], bool],
    told_to_stop: Callable[[], None],
    clock: Clock,
) -> None:
    """Answer requests until a signal, then end in order; with a `background` do its work too.

    It also ends when the database server is no longer running that this process has started.
    """
    stop = asyncio.Event()
    working = asyncio.create_task(work(background, clock, stop)) if background else None
    server = Server(_config(app), told_to_stop)
    watching = asyncio.create_task(_end_with_database(server, is_running))
    try:
        await server.serve(sockets=[listener])
    finally:
        watching.cancel()
        stop.set()
        if working is not None:
            await working


def _config(app: FastAPI) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        http=BoundedProtocol,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )


@asynccontextmanager
async def monitored(app: FastAPI, metrics: Metrics, listener: socket.socket | None) -> AsyncIterator[None]:
    """Watch the event loop during the block, and answer for health and metrics where there is a port for them."""
    tasks = [asyncio.create_task(metrics.watch_event_loop())]
    if listener is not None:
        server = uvicorn.Server(_config(app))
        server.capture_signals = nullcontext  # type: ignore[method-assign, assignment]
        tasks.append(asyncio.create_task(server.serve(sockets=[listener])))
        host, port = listener.getsockname()[:2]
        log.info("serving metrics", url=f"http://{host}:{port}/metrics")
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _end_with_database(server: Server, is_running: Callable[[], bool]) -> None:
    while is_running():  # noqa: ASYNC110 - a process that ends tells nobody but its parent
        await asyncio.sleep(DATABASE_POLL_SECONDS)
    server.should_exit = True
