"""Overload: very many clients in a closed loop, on bare sockets in a process of their own.

Each asks again as soon as it is answered; one that is refused waits as long as Retry-After says.
"""

import asyncio
import json
import sys
import time
from dataclasses import dataclass, field
from typing import cast

import uvloop


@dataclass
class Outcome:
    """What all clients have met: answers by status, and how long each kind took in milliseconds."""

    good: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    other: dict[int, int] = field(default_factory=dict)


class Client(asyncio.Protocol):
    """One client with one request under way at a time."""

    def __init__(self, request: bytes, outcome: Outcome, done: asyncio.Future[None]) -> None:
        self._request, self._outcome, self._done = request, outcome, done
        self._answer, self._begun, self._until = b"", 0.0, 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def start(self, until: float) -> None:
        self._until = until
        self._ask()

    def _ask(self) -> None:
        if time.perf_counter() >= self._until:
            self._transport.close()
            return
        self._begun, self._answer = time.perf_counter(), b""
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, found, body = self._answer.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        if len(body) < length:
            return
        status, taken = int(head[9:12]), (time.perf_counter() - self._begun) * 1000
        if status in {429, 503}:
            self._outcome.refused.append(taken)
            wait = float(head.lower().partition(b"retry-after: ")[2].split(b"\r\n")[0])
            asyncio.get_running_loop().call_later(wait, self._ask)
            return
        if status == 200:
            self._outcome.good.append(taken)
        else:
            self._outcome.other[status] = self._outcome.other.get(status, 0) + 1
        self._ask()

    def connection_lost(self, _error: Exception | None) -> None:
        if not self._done.done():
            self._done.set_result(None)


async def overload(port: int, path: str, keys: list[str], seconds: float, clients: int) -> dict[str, object]:
    """Good answers a second, the median time of refusals in milliseconds, and other statuses."""
    loop, outcome = asyncio.get_running_loop(), Outcome()
    ends: list[asyncio.Future[None]] = []
    connected: list[Client] = []
    for number in range(clients):
        key = keys[number % len(keys)]
        request = f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\r\n".encode()
        ends.append(loop.create_future())
        connected.append(Client(request, outcome, ends[-1]))
        await loop.create_connection(lambda: connected[-1], "127.0.0.1", port)
    until = time.perf_counter() + seconds
    for each in connected:
        each.start(until)
    await asyncio.wait(ends, timeout=seconds + 10)
    return {
        "good_per_second": len(outcome.good) / seconds,
        "refused": len(outcome.refused),
        "refusal_p50_ms": sorted(outcome.refused)[len(outcome.refused) // 2] if outcome.refused else 0.0,
        "other": outcome.other,
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(uvloop.run(overload(**json.loads(sys.argv[1])))))
