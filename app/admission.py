"""Admission: how many requests may be under way, in all, for an account and for a key; the rest is refused at once.

It is the outermost layer and asks nobody: a refusal costs no look-up, no log line and no place in a queue. Requests
whose key was never found valid share a part of the whole, so that they cannot keep out those with one, and a key
that somebody has made up does not count for the account that it names.
"""

import json
import random
import secrets
from dataclasses import dataclass

from app.accounts.access import Callers
from app.envelope import AsgiApplication, AsgiReceive, AsgiScope, AsgiSend, Metrics
from app.problems import Problem, ServiceUnavailable, TooManyRequests

UNLIMITED_PATHS = frozenset({"/livez", "/readyz", "/metrics"})


@dataclass(frozen=True, slots=True)
class InFlight:
    """The most requests that are under way at the same time."""

    in_all: int = 256
    of_an_account: int = 48
    of_a_key: int = 32
    without_a_key: int = 64


class AdmissionLayer:
    """Counts the requests that are under way."""

    def __init__(self, app: AsgiApplication, limits: InFlight, metrics: Metrics, callers: Callers) -> None:
        """`app` is what it wraps."""
        self.app = app
        self.limits = limits
        self._metrics = metrics
        self._callers = callers
        self._under_way: dict[bytes | int | None, int] = {}
        self._all = 0

    async def __call__(self, scope: AsgiScope, receive: AsgiReceive, send: AsgiSend) -> None:
        """Let a request in, or refuse it."""
        if scope["type"] != "http" or scope["path"] in UNLIMITED_PATHS:
            await self.app(scope, receive, send)
            return
        key = b""
        for name, value in scope["headers"]:
            if name == b"authorization":
                key = value
                break
        account_id = self._callers.seen_account(key)
        refusal = self._objection(account_id, key)
        if refusal is not None:
            self._metrics.refused.labels(refusal[0]).inc()
            await _send_refusal(refusal, send)
            return
        if account_id is None:
            key = b""
        under_way = self._under_way
        self._all += 1
        under_way[account_id] = under_way.get(account_id, 0) + 1
        under_way[key] = under_way.get(key, 0) + 1
        try:
            await self.app(scope, receive, send)
        finally:
            self._all -= 1
            for each in (account_id, key):
                under_way[each] -= 1
                if not under_way[each]:
                    del under_way[each]

    def _objection(self, account_id: int | None, key: bytes) -> tuple[int, bytes, bytes] | None:
        limits, under_way = self.limits, self._under_way
        has_room = account_id is not None or under_way.get(None, 0) < limits.without_a_key
        if self._all >= limits.in_all or not has_room:
            return OVERLOADED
        if account_id is None:
            return None
        if under_way.get(key, 0) >= limits.of_a_key or under_way.get(account_id, 0) >= limits.of_an_account:
            return TOO_MANY
        return None


def _refusal(problem: Problem) -> tuple[int, bytes, bytes]:
    """The parts of a refusal that are the same each time: status, and the body before and after the request id."""
    before, after = json.dumps(problem.body(REQUEST_ID)).encode().split(REQUEST_ID.encode())
    return problem.status, before, after


REQUEST_ID = "0" * 32
OVERLOADED = _refusal(ServiceUnavailable("The service has too many requests under way."))
TOO_MANY = _refusal(TooManyRequests("This key has too many requests under way; wait for some of them to end."))
RETRY_AFTER_SECONDS = (b"1", b"2", b"3")
"""Chosen at random, so that those who are refused together do not come back together."""


async def _send_refusal(refusal: tuple[int, bytes, bytes], send: AsgiSend) -> None:
    status, before, after = refusal
    request_id = secrets.token_hex(16).encode()
    body = before + request_id + after
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", b"%d" % len(body)),
        (b"retry-after", random.choice(RETRY_AFTER_SECONDS)),  # noqa: S311 - nothing is secret here
        (b"x-request-id", request_id),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
