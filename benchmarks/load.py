"""Load: connections that ask for the same page again and again, as fast as it is answered.

A small client on bare sockets: a comfortable one would take longer for an answer than the
server does, and so measure itself. It keeps connections open and finds the end of an answer by its length.
"""

import asyncio
import json
import sys
import time
from typing import cast

import uvloop

HEAD_END = b"\r\n\r\n"
LENGTH = b"content-length: "
OK = b"HTTP/1.1 200 "


class Asking(asyncio.Protocol):
    """One connection, with one request under way at a time."""

    def __init__(self, request: bytes, until: float, done: asyncio.Future[None], milliseconds: list[float]) -> None:
        """`milliseconds` is where latencies go."""
        self._request = request
        self._until = until
        self._done = done
        self._milliseconds = milliseconds
        self._answer = b""
        self._begun = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._ask()

    def _ask(self) -> None:
        self._begun = time.perf_counter()
        self._transport.write(self._request)

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


async def load(port: int, path: str, key: str, seconds: float, connections: int) -> dict[str, float]:
    """Requests a second over all connections, and latencies in milliseconds."""
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n\r\n".encode()
    loop = asyncio.get_running_loop()
    milliseconds: list[float] = []
    begun = time.perf_counter()
    ends: list[asyncio.Future[None]] = []
    for _ in range(connections):
        done: asyncio.Future[None] = loop.create_future()
        ends.append(done)

        def asking(done: asyncio.Future[None] = done) -> Asking:
            return Asking(request, begun + seconds, done, milliseconds)

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


if __name__ == "__main__":
    print(json.dumps(uvloop.run(load(**json.loads(sys.argv[1])))))
