"""Processes: the service and its commands as a user runs them, and a shop that talks to them."""

import contextlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
from conftest import ROOT, UNLIMITED_SETTINGS, wait_until
from shop import OPERATOR

STARTED = re.compile(r"Serving (http://\S+)")


def environment(data_dir: Path, **settings: str) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "READ_DATABASE_URL"}}
    ours = {"DATA_DIR": str(data_dir), "DEMO": "0", "ADMIN_KEY": OPERATOR, "PORT": "0"} | UNLIMITED_SETTINGS
    return inherited | ours | settings


def begun(data_dir: Path, *arguments: str, **settings: str) -> subprocess.Popen[str]:
    """`python -m app …`, its two outputs apart."""
    return subprocess.Popen(
        [sys.executable, "-m", "app", *arguments],
        cwd=ROOT,
        env=environment(data_dir, **settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@dataclass(frozen=True)
class Ended:
    """What became of a command."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """What an operator reads of what went wrong."""
        return self.err.splitlines()


def ended(process: subprocess.Popen[str]) -> Ended:
    out, err = process.communicate(timeout=100)
    return Ended(process.returncode, out, err)


def command(data_dir: Path, *arguments: str, **settings: str) -> Ended:
    return ended(begun(data_dir, *arguments, **settings))


@dataclass
class Running:
    """A service that answers."""

    process: subprocess.Popen[bytes]
    log: Path
    url: str = ""

    def said(self) -> str:
        return self.log.read_text()

    def has_started(self) -> bool:
        assert self.process.poll() is None, self.said()
        if not self.url and (found := STARTED.search(self.said())):
            self.url = found[1]
        with contextlib.suppress(httpx.TransportError):
            return bool(self.url) and httpx.get(f"{self.url}/readyz").status_code == httpx.codes.OK
        return False

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def running(data_dir: Path, **settings: str) -> Iterator[Running]:
    """`python -m app serve` until the block ends."""
    log = data_dir.parent / f"service-{time.monotonic_ns()}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "app", "serve"],
            cwd=ROOT,
            env=environment(data_dir, **settings),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    service = Running(process, log)
    try:
        wait_until(service.has_started, 240 if settings.get("DEMO") == "1" else 90)
        yield service
    finally:
        if process.poll() is None:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(40)
        process.kill()
        process.wait()


def postgres_of(data_dir: Path, cluster: str = "cluster") -> list[psutil.Process]:
    """The processes of PostgreSQL that work on these tables."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.name() == "postgres" and Path(process.cwd()) == data_dir / cluster:
                found.append(process)
    return found


@dataclass(frozen=True)
class Shop:
    """A store of a running service, whose ids and key outlive it."""

    key: str
    audience: str
    source: str

    @classmethod
    def opened(cls, url: str, plan: str = "free") -> "Shop":
        with httpx.Client(base_url=url, timeout=60) as client:
            operator = {"Authorization": f"Bearer {OPERATOR}"}
            account = client.post("/accounts", json={"name": "A", "plan": plan}, headers=operator).json()
            client.headers["Authorization"] = f"Bearer {account['api_key']}"
            audience = client.post("/audiences", json={"name": "Everyone"}).json()["id"]
            wanted = {"audience": audience, "name": "Shop", "platform": "custom", "currency": "EUR", "time_zone": "UTC"}
            return cls(account["api_key"], audience, client.post("/sources", json=wanted).json()["id"])

    @property
    def auth(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}

    def board(self, url: str, **question: Any) -> dict[str, Any]:
        """The first page of all time."""
        asked = {"audience": self.audience, "source": self.source, "time_frame": "all_time", "limit": 1000} | question
        answer = httpx.get(f"{url}/leaderboard", params=asked, headers=self.auth, timeout=60)
        assert answer.status_code == httpx.codes.OK, answer.text
        page: dict[str, Any] = answer.json()
        return page

    def health(self, url: str) -> dict[str, Any]:
        answer = httpx.get(f"{url}/sources/{self.source}", headers=self.auth, timeout=60)
        health: dict[str, Any] = answer.json()["health"]
        return health

    def figures(self, url: str) -> dict[str, tuple[int, str]]:
        """Purchases and spend of every customer, by the store's id."""
        rows = self.board(url)["items"]
        return {row["customer"]["external_id"]: (row["number_of_purchases"], row["total_spend"]) for row in rows}
