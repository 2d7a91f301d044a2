"""Nursery: workers that are forked from a process which has imported everything, for a start costs a second.

They are processes of their own, which can be killed, stopped and told to end; what they run is the product's Delivery.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from conftest import ROOT, Urls, with_asyncpg

POISONED = 66
"""How a worker ends that has touched the mail that kills."""


@dataclass
class Worker:
    """A worker's process."""

    nursery: "Nursery"
    pid: int
    code: int | None = None

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        """As kill -9 does."""
        self.signal(signal.SIGKILL)
        self.ended()

    def stop(self) -> int:
        """Tell it to end, and wait until it has; its exit code."""
        self.signal(signal.SIGTERM)
        return self.ended()

    def ended(self) -> int:
        if self.code is None:
            self.code = self.nursery.told({"reap": self.pid})
        return self.code

    @property
    def is_alive(self) -> bool:
        """Whether it is still there; one that is dead but not reaped is not."""
        status = Path("/proc", str(self.pid), "stat")
        return self.code is None and status.read_text().rpartition(")")[2].split()[0] != "Z"


@dataclass(frozen=True)
class Nursery:
    """Where workers come from; `orders` is what they are told."""

    process: subprocess.Popen[str]
    log: Path
    orders: dict[str, Any]

    def told(self, command: dict[str, Any]) -> int:
        assert self.process.stdin
        assert self.process.stdout
        print(json.dumps(command), file=self.process.stdin, flush=True)
        return int(self.process.stdout.readline())

    def but(self, **orders: Any) -> "Nursery":
        """The same with other orders."""
        return replace(self, orders=self.orders | orders)

    def worker(self) -> Worker:
        return Worker(self, self.told({"fork": self.orders}))

    def complaints(self) -> list[str]:
        """What workers have logged as errors."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
        return [line["message"] for line in lines if line["level"] == "error"]


@contextlib.contextmanager
def nursery(folder: Path, urls: Urls, mail: str, **limits: Any) -> Iterator[Nursery]:
    """A nursery until the block ends; its workers end with it."""
    log = folder / "workers.log"
    with log.open("a") as errors:
        process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("nursery_process.py"))],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    orders = {
        "write": with_asyncpg(urls.write),
        "read": with_asyncpg(urls.read),
        "mail": mail,
        "limits": {"rate_per_second": 100_000, "burst": 100_000} | limits,
        "mutant": None,
        "poison": None,
        "grace_seconds": 20,
    }
    assert process.stdin
    assert process.stdout
    try:
        yield Nursery(process, log, orders)
    finally:
        process.stdin.close()
        process.wait()
        process.stdout.close()
