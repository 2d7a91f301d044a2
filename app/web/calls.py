"""Web calls: requests to addresses that tenants have given, with a limit on everything.

Each has a time limit, an answer has a largest size, a redirect is followed on the same host only, and a host is asked
by a few requests at a time. Connections go where the guard allows, and through no proxy of the environment.
"""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any
from weakref import WeakValueDictionary

import httpcore
import httpx
from httpcore._backends.auto import AutoBackend

from app.web.guard import Guard, UnsafeAddressError

CALL_CONNECT_SECONDS, CALL_READ_SECONDS, CALL_SECONDS = 5.0, 20.0, 60.0
STREAM_SECONDS = 1800.0
LARGEST_ANSWER_BYTES = 16 * 1024 * 1024
LARGEST_STREAM_BYTES = 4 * 1024 * 1024 * 1024
LONGEST_STREAM_LINE = 8 * 1024 * 1024
CALLS_AT_ONCE_OF_A_HOST = 4
MOST_REDIRECTS = 3
READ_BYTES = 64 * 1024


class CallFailedError(Exception):
    """`(code,)`: why there is no answer; it holds nothing of the address or the answer."""

    @property
    def code(self) -> str:
        """A short code: `unreachable`, `timeout`, `unsafe_address`."""
        return str(self.args[0])


@dataclass(frozen=True, slots=True)
class WebAnswer:
    """The answer of a web server."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx."""
        return httpx.codes.is_success(self.status)

    def json(self) -> Any:  # noqa: ANN401 - whatever JSON says
        """The body as JSON, numbers with a fraction as text; CallFailedError where it is none."""
        try:
            return json.loads(self.content, parse_float=str)
        except (ValueError, RecursionError):
            raise CallFailedError("not_json") from None


class WebCalls:
    """The client of one process."""

    def __init__(self, guard: Guard, *, connect_seconds: float = CALL_CONNECT_SECONDS) -> None:
        """Nothing is called yet."""
        self.guard = guard
        self._client = httpx.AsyncClient(
            transport=GuardedTransport(guard),
            timeout=httpx.Timeout(CALL_READ_SECONDS, connect=connect_seconds),
            headers={"User-Agent": "loyalty-leaderboard", "Accept": "application/json"},
            follow_redirects=False,
            trust_env=False,
        )
        self._hosts: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    async def call(
        self,
        method: str,
        url: str,
        *,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        most_bytes: int = LARGEST_ANSWER_BYTES,
    ) -> WebAnswer:
        """The answer; CallFailedError where there is none, or it is too large."""
        for _ in range(MOST_REDIRECTS + 1):
            async with self._answer(method, url, content, headers, CALL_SECONDS) as response:
                if response.has_redirect_location:
                    url = _followed(response, method)
                    continue
                read = await _read_at_most(response, most_bytes)
                return WebAnswer(response.status_code, response.headers, read)
        raise CallFailedError("redirected")

    @asynccontextmanager
    async def lines(self, url: str) -> AsyncIterator[AsyncIterator[bytes]]:
        """The lines of a large answer as they arrive; CallFailedError unless its status is 200."""
        async with self._answer("GET", url, None, None, STREAM_SECONDS) as response:
            if response.status_code != httpx.codes.OK:
                raise CallFailedError(f"status_{response.status_code}")
            yield _lines_of(response)

    @asynccontextmanager
    async def _answer(
        self, method: str, url: str, content: bytes | None, headers: Mapping[str, str] | None, seconds: float
    ) -> AsyncIterator[httpx.Response]:
        try:
            target = self.guard.checked_url(url)
            host = self._hosts.setdefault(target.host, asyncio.Semaphore(CALLS_AT_ONCE_OF_A_HOST))
            asked = self._client.stream(method, target, content=content, headers=headers)
            async with host, asyncio.timeout(seconds), asked as response:
                self._client.cookies.clear()  # what one tenant's server sets must not be sent for another
                yield response
        except UnsafeAddressError:
            raise CallFailedError("unsafe_address") from None
        except (TimeoutError, httpx.TimeoutException):
            raise CallFailedError("timeout") from None
        except httpx.ConnectError:
            raise CallFailedError("unreachable") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError):
            raise CallFailedError("broken_off") from None

    async def close(self) -> None:
        """Give the connections back."""
        await self._client.aclose()


def _followed(response: httpx.Response, method: str) -> str:
    """Where a redirect leads; CallFailedError where it leads to another host, or away from https."""
    before, after = response.request.url, response.request.url.join(response.headers["Location"])
    is_same = (after.host, after.port) == (before.host, before.port) and after.scheme == before.scheme
    is_upgrade = after.host == before.host and (before.scheme, after.scheme) == ("http", "https")
    if method != "GET" or not (is_same or is_upgrade):
        raise CallFailedError("redirected")
    return str(after)


async def _read_at_most(response: httpx.Response, most_bytes: int) -> bytes:
    content = bytearray()
    async for part in response.aiter_bytes(READ_BYTES):
        content += part
        if len(content) > most_bytes:
            raise CallFailedError("too_large")
    return bytes(content)


async def _lines_of(response: httpx.Response) -> AsyncIterator[bytes]:
    left, received = b"", 0
    async for part in response.aiter_bytes(READ_BYTES):
        received += len(part)
        *whole, left = (left + part).split(b"\n")
        for line in whole:
            yield line
        if received > LARGEST_STREAM_BYTES or len(left) > LONGEST_STREAM_LINE:
            raise CallFailedError("too_large")
    if left:
        yield left


@cache
def trusting_public_authorities() -> ssl.SSLContext:
    """The TLS of all calls of a process: reading the authorities takes a while, so it is done once."""
    return httpx.create_ssl_context(trust_env=False)


class GuardedTransport(httpx.AsyncHTTPTransport):
    """HTTP over connections that the guard allows."""

    def __init__(self, guard: Guard) -> None:
        super().__init__(verify=trusting_public_authorities(), trust_env=False)
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=trusting_public_authorities(),
            max_connections=50,
            max_keepalive_connections=10,
            keepalive_expiry=20,
            network_backend=GuardedNetwork(guard),
        )


class GuardedNetwork(httpcore.AsyncNetworkBackend):
    """Resolves and checks a host, and connects to one of the addresses that were checked."""

    def __init__(self, guard: Guard) -> None:
        self._guard, self._network = guard, AutoBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature of httpcore
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address that answers."""
        failed: Exception = httpcore.ConnectError("the name has no address")
        for address in await self._guard.addresses(host, port):
            try:
                return await self._network.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failed = error
        raise failed

    async def sleep(self, seconds: float) -> None:
        """Between attempts."""
        await asyncio.sleep(seconds)
