"""Admission: how many requests may be under way, in all, for an account and for a key; the rest is refused at once.

It is the outermost layer and asks nobody: a refusal costs no look-up, no log line and no place in a queue. Requests
whose key was never found valid share a part of the whole, so that they cannot keep out those with one, and a key
that somebody has made up does not count for the account that it names.
"""

import json
import random
import secrets
from dataclasses import dataclass, field

from starlette.datastructures import Headers

from app.accounts.access import Callers
from app.accounts.rate_limits import Quotas
from app.envelope import AsgiApplication, AsgiReceive, AsgiScope, AsgiSend
from app.messages.daily_caps import NO_CAPS, DailyCaps
from app.problems import Problem, ServiceUnavailable, TooManyRequests
from app.process_metrics import Metrics
from app.words import Language, Sentence, language_of

RefusedRequest = dict[Language, tuple[int, bytes, bytes]]
"""By language, the parts of a refusal that are the same each time: status, body before and after the request id."""

UNLIMITED_PATHS = frozenset({"/livez", "/readyz", "/metrics"})


@dataclass(frozen=True, slots=True)
class InFlight:
    """The most requests that are under way at the same time."""

    in_all: int = 256
    of_an_account: int = 48
    of_a_key: int = 32
    without_a_key: int = 64


@dataclass(frozen=True, slots=True)
class FairUse:
    """What one client may ask: at the same time, in a minute and, of mails, on a day."""

    in_flight: InFlight = field(default_factory=InFlight)
    quotas: Quotas = field(default_factory=Quotas)
    caps: DailyCaps = NO_CAPS


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
        refused = self._objection(account_id, key)
        if refused is not None:
            language = language_of(Headers(raw=scope["headers"]))
            self._metrics.refused.labels(refused[language][0]).inc()
            await _send_refusal(refused, language, send)
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

    def _objection(self, account_id: int | None, key: bytes) -> RefusedRequest | None:
        limits, under_way = self.limits, self._under_way
        has_room = account_id is not None or under_way.get(None, 0) < limits.without_a_key
        if self._all >= limits.in_all or not has_room:
            return OVERLOADED
        if account_id is None:
            return None
        if under_way.get(key, 0) >= limits.of_a_key or under_way.get(account_id, 0) >= limits.of_an_account:
            return TOO_MANY
        return None


def _refused(problem: Problem) -> RefusedRequest:
    parts = {each: json.dumps(problem.body(REQUEST_ID, each)).encode().split(REQUEST_ID.encode()) for each in Language}
    return {language: (problem.status, before, after) for language, (before, after) in parts.items()}


REQUEST_ID = "0" * 32
OVERLOADED = _refused(ServiceUnavailable(Sentence("The service has too many requests under way.")))
TOO_MANY = _refused(
    TooManyRequests(Sentence("This key has too many requests under way; wait for some of them to end."))
)
RETRY_AFTER_SECONDS = (b"1", b"2", b"3")
"""Chosen at random, so that those who are refused together do not come back together."""


async def _send_refusal(refused: RefusedRequest, language: Language, send: AsgiSend) -> None:
    status, before, after = refused[language]
    request_id = secrets.token_hex(16).encode()
    body = before + request_id + after
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", b"%d" % len(body)),
        (b"retry-after", random.choice(RETRY_AFTER_SECONDS)),  # noqa: S311 - nothing is secret here
        (b"x-request-id", request_id),
        (b"cache-control", b"no-store"),
        (b"content-language", language.encode()),
        (b"vary", b"Accept-Language"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
