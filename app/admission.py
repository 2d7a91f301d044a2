"""Admission: how many requests may be under way, in all, for an account and for a key; the rest is refused at once.

It is the outermost layer and asks nobody: a refusal costs no look-up, no log line and no place in a queue. Requests
without a key of the right form share a part of the whole, so that they cannot keep out those with one.
"""

import json
import secrets
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

from app.accounts.api_key import account_of
from app.envelope import AsgiApplication, AsgiReceive, AsgiScope, AsgiSend, Metrics
from app.problems import Problem, ServiceUnavailable, TooManyRequests

UNLIMITED_PATHS = frozenset({"/livez", "/readyz", "/metrics"})
BEARER = b"bearer "


@dataclass(frozen=True, slots=True)
class InFlight:
    """The most requests that are under way at the same time."""

    in_all: int = 256
    of_an_account: int = 48
    of_a_key: int = 32
    without_a_key: int = 64


@lru_cache(10_000)
def account_of_header(authorization: bytes) -> int | None:
    """The account that the key in a header names; None when it is not a key."""
    if authorization[: len(BEARER)].lower() != BEARER:
        return None
    return account_of(authorization[len(BEARER) :].strip().decode("latin-1"))


class AdmissionLayer:
    """Counts the requests that are under way."""

    def __init__(self, app: AsgiApplication, limits: InFlight, metrics: Metrics) -> None:
        """`app` is what it wraps."""
        self.app = app
        self.limits = limits
        self._metrics = metrics
        self._under_way: Counter[bytes | int | None] = Counter()
        self._all = 0

    async def __call__(self, scope: AsgiScope, receive: AsgiReceive, send: AsgiSend) -> None:
        """Let a request in, or refuse it."""
        if scope["type"] != "http" or scope["path"] in UNLIMITED_PATHS:
            await self.app(scope, receive, send)
            return
        key = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        account_id = account_of_header(key)
        names: tuple[bytes | int | None, ...] = (None,) if account_id is None else (account_id, key)
        problem = self._objection(names)
        if problem is not None:
            self._metrics.refused.labels(problem.status).inc()
            await _send_refusal(problem, send)
            return
        self._all += 1
        self._under_way.update(names)
        try:
            await self.app(scope, receive, send)
        finally:
            self._all -= 1
            for name in names:
                self._under_way[name] -= 1
                if not self._under_way[name]:
                    del self._under_way[name]

    def _objection(self, names: tuple[bytes | int | None, ...]) -> Problem | None:
        limits = self.limits
        if self._all >= limits.in_all or (names == (None,) and self._under_way[None] >= limits.without_a_key):
            return ServiceUnavailable("The service has too many requests under way.", retry_after_seconds=1)
        if names == (None,):
            return None
        account_id, key = names
        if self._under_way[key] >= limits.of_a_key or self._under_way[account_id] >= limits.of_an_account:
            return TooManyRequests("This key has too many requests under way; wait for some of them to end.")
        return None


async def _send_refusal(problem: Problem, send: AsgiSend) -> None:
    request_id = secrets.token_hex(16)
    body = json.dumps(problem.body(request_id)).encode()
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", str(len(body)).encode()),
        (b"retry-after", problem.headers["Retry-After"].encode()),
        (b"x-request-id", request_id.encode()),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
