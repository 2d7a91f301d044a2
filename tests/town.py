"""Town: API and worker as two processes on a PostgreSQL of their own, each of which a test may kill."""

import asyncio
import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil
from conftest import ROOT
from processes import command, environment, postgres_of

from app.local_postgres import local_postgres


@dataclass
class Town:
    """The service in two processes on a PostgreSQL that outlives them, and a client that never gives up."""

    data_dir: object
    settings: dict[str, str]
    port: int
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str) -> None:
        self.processes[name] = subprocess.Popen(
            [sys.executable, "-m", "app", name],
            cwd=ROOT,
            env=environment(self.data_dir, PORT=str(self.port), WORKER="0", **self.settings),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def kill(self, name: str) -> None:
        """Kill a process, which a supervisor starts again, or a part of PostgreSQL, which then recovers by itself."""
        if name == "postgresql":
            with suppress(psutil.Error, IndexError):
                backends = [each for each in postgres_of(self.data_dir) if each.ppid() != os.getpid()]
                random.choice(backends).send_signal(signal.SIGKILL)
            return
        self.processes[name].kill()
        self.processes[name].wait()
        self.start(name)

    def end(self) -> None:
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            process.wait(90)


@contextlib.contextmanager
def running_town(data_dir: Path, **more: str) -> Iterator[Town]:
    """A town with two processes; `more` are settings of both."""
    with local_postgres(data_dir) as urls, socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
        free.close()
        settings = {"DATABASE_URL": urls.write, "READ_DATABASE_URL": urls.read}
        settings |= {f"RATE_LIMIT_{name}": "0" for name in ("REQUESTS", "SENDS", "EXPENSIVE_READS")}
        settings |= more
        assert command(data_dir, "migrate", **settings).code == 0
        town = Town(data_dir, settings, port)
        for name in ("serve", "worker"):
            town.start(name)
        try:
            yield town
        finally:
            town.end()


async def ready(town: Town) -> None:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{town.port}") as client:
        for _ in range(600):
            with suppress(httpx.TransportError):
                if (await client.get("/readyz")).status_code == 200:
                    return
            await asyncio.sleep(0.1)
    raise AssertionError("not ready within a minute")
