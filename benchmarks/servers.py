"""Servers: the processes that are measured, and the process that asks them, each with an event loop of its own.

The client works on bare sockets: a comfortable one would take longer for an answer than the server does.
"""

import asyncio
import base64
import hashlib
import hmac
import itertools
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

import psutil
import uvloop

from benchmarks.scene import Scene

HEAD_END = b"\r\n\r\n"
LENGTH = b"content-length: "
OK = b"HTTP/1.1 200 "


WEBHOOK_SECRET = "a-secret-of-the-shop"  # noqa: S105 - it opens nothing
LINE_ITEM = {
    "id": 466157049,
    "name": "Linen shirt - L - green",
    "title": "Linen shirt, long sleeves, made to measure",
    "quantity": 1,
    "current_quantity": 1,
    "price_set": {"shop_money": {"amount": "19.90", "currency_code": "EUR"}},
    "properties": [{"name": "engraving", "value": "none"}, {"name": "wrapping", "value": "paper"}],
}
ORDER_OF_WEBHOOK = {
    "updated_at": "2026-11-20T12:00:00+01:00",
    "processed_at": "2026-11-20T12:00:00+01:00",
    "total_price": "398.00",
    "currency": "EUR",
    "financial_status": "paid",
    "customer": {"id": 115310627314723954, "first_name": "Ida", "last_name": "Marsh", "email": "ida@example.test"},
    "line_items": [LINE_ITEM] * 20,
}


def webhooks(path: str) -> Callable[[], bytes]:
    """Makes requests of a shop, each with an order of its own."""
    rest = json.dumps(ORDER_OF_WEBHOOK).encode()[1:]
    numbers = itertools.count(time.time_ns())

    def next_webhook() -> bytes:
        number = next(numbers)
        body = b'{"id": %d, ' % number + rest
        signature = base64.b64encode(hmac.digest(WEBHOOK_SECRET.encode(), body, hashlib.sha256)).decode()
        head = (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            f"X-Shopify-Topic: orders/create\r\nX-Shopify-Webhook-Id: {number}\r\n"
            f"X-Shopify-Hmac-SHA256: {signature}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    return next_webhook


class Asking(asyncio.Protocol):
    """One connection, with one request under way at a time."""

    def __init__(
        self, next_request: Callable[[], bytes], until: float, done: asyncio.Future[None], milliseconds: list[float]
    ) -> None:
        """`milliseconds` is where latencies go."""
        self._next_request = next_request
        self._until = until
        self._done = done
        self._milliseconds = milliseconds
        self._answer = b""
        self._begun = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._ask()

    def _ask(self) -> None:
        request = self._next_request()
        self._begun = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head_end = self._answer.find(HEAD_END)
        if head_end < 0:
            return
        head = self._answer[: head_end + 2].lower()
        if not self._answer.startswith(OK) or LENGTH not in head:
            self._fail(RuntimeError(self._answer[:500].decode(errors="replace")))
            return
        length = int(head.partition(LENGTH)[2].partition(b"\r\n")[0])
        if len(self._answer) < head_end + len(HEAD_END) + length:
            return
        now = time.perf_counter()
        self._milliseconds.append((now - self._begun) * 1000)
        self._answer = b""
        if now < self._until:
            self._ask()
        else:
            self._transport.close()

    def connection_lost(self, _error: Exception | None) -> None:
        if not self._done.done():
            self._done.set_result(None)

    def _fail(self, error: Exception) -> None:
        if not self._done.done():
            self._done.set_exception(error)
        self._transport.close()


async def load(
    port: int, path: str, key: str, seconds: float, connections: int, *, are_webhooks: bool
) -> dict[str, float]:
    """Requests a second over all connections, and latencies in milliseconds."""
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n\r\n".encode()
    next_request = webhooks(path) if are_webhooks else lambda: request
    loop = asyncio.get_running_loop()
    milliseconds: list[float] = []
    begun = time.perf_counter()
    ends: list[asyncio.Future[None]] = []
    for _ in range(connections):
        done: asyncio.Future[None] = loop.create_future()
        ends.append(done)

        def asking(done: asyncio.Future[None] = done) -> Asking:
            return Asking(next_request, begun + seconds, done, milliseconds)

        await loop.create_connection(asking, "127.0.0.1", port)
    await asyncio.gather(*ends)
    elapsed = time.perf_counter() - begun
    milliseconds.sort()
    count = len(milliseconds)
    return {
        "count": count,
        "requests": count / elapsed,
        "p50": milliseconds[count // 2],
        "p99": milliseconds[count * 99 // 100],
    }


ROOT = Path(__file__).parent.parent
KIB_PER_MB = 1024
SETTLED_SECONDS = 0.5
FORGET_PEAK = "5"
"""Written to /proc/…/clear_refs it makes the memory of now the peak."""


@dataclass(frozen=True)
class Server:
    """A running server."""

    port: int
    pid: int
    key: str

    def under_load(
        self, path: str, *, seconds: float, connections: int, are_webhooks: bool = False, key: str | None = None
    ) -> dict[str, float]:
        """Ask it from another process: requests a second, latencies and its own CPU per request in milliseconds."""
        credential = key or self.key
        order = {"port": self.port, "path": path, "key": credential, "seconds": seconds, "connections": connections}
        order |= {"are_webhooks": are_webhooks}
        used = self._processor_seconds()
        done = subprocess.run(  # noqa: S603 - our own module
            [sys.executable, "-m", "benchmarks.servers", json.dumps(order)],
            cwd=ROOT,
            check=True,
            stdout=subprocess.PIPE,
        )
        figures: dict[str, float] = json.loads(done.stdout)
        figures["processor"] = (self._processor_seconds() - used) * 1000 / figures["count"]
        return figures

    def _processor_seconds(self) -> float:
        times = psutil.Process(self.pid).cpu_times()
        return float(times.user + times.system)

    def memory_during(self, task: Callable[[], None]) -> float | None:
        """The peak of its resident memory during the task above that before it, in MB; None where /proc is missing."""
        process = Path("/proc", str(self.pid))
        time.sleep(SETTLED_SECONDS)
        if not (process / "clear_refs").exists():
            task()
            return None
        (process / "clear_refs").write_text(FORGET_PEAK)
        idle = _resident(process, "VmRSS")
        task()
        return _resident(process, "VmHWM") - idle


def _resident(process: Path, line: str) -> float:
    lines = (process / "status").read_text().splitlines()
    return next(int(each.split()[1]) for each in lines if each.startswith(line)) / KIB_PER_MB


@contextmanager
def serving(name: str, scene: Scene) -> Iterator[Server]:
    """One of the servers of `reference_servers`, stopped with the block."""
    with subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, "-m", "benchmarks.reference_servers", name],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            if process.stdin is None or process.stdout is None:
                raise RuntimeError("the server has no pipes")
            print(json.dumps(asdict(scene)), file=process.stdin, flush=True)
            yield Server(int(process.stdout.readline()), process.pid, scene.key)
        finally:
            process.terminate()


if __name__ == "__main__":
    print(json.dumps(uvloop.run(load(**json.loads(sys.argv[1])))))
