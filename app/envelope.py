"""Envelope: what every request and response carries, whatever the route.

Pure ASGI, because it runs on every request: the request id, a limit on the body, security
headers, one log line and the metrics. Neither holds a query string, a key or a person's data.
"""

import re
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request

from app.problems import BodyTooLarge, InternalError, answer, log, places

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

LARGEST_BODY_BYTES = 1024 * 1024
LARGEST_REPORT_BYTES = 8 * LARGEST_BODY_BYTES
"""Mail providers gather their events: Mailchimp sends a thousand at a time, percent-encoded."""
MOST_LENGTH_DIGITS = 18
STREAMED_PATHS = re.compile(r"/sources/[^/]+/imports")
REPORT_PATHS = re.compile(r"/webhooks/mail/[^/]+")
SAFE_REQUEST_ID = re.compile(r"[A-Za-z0-9._~:/+=-]{1,128}", re.ASCII)
QUIET_PATHS = frozenset({"/livez", "/readyz", "/metrics"})

SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}


WAITING = {
    "messages_waiting": "Messages queued or being sent",
    "messages_overdue_seconds": "How long the oldest message waits for a worker",
    "messages_held": "Messages that wait for an operator",
    "senders_paused": "Accounts whose login at the mail provider was refused",
    "standings_outdated": "Customers whose standings an import has left behind",
    "boards_overdue_seconds": "How long the worker is behind the calendar of a source",
}


class Metrics:
    """What Prometheus reads, labelled by route template."""

    def __init__(self) -> None:
        """A registry of its own, so that two applications can live in one process."""
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "http_requests", "Requests answered", ["method", "route", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "http_request_seconds", "Time until the answer was sent", ["method", "route"], registry=self.registry
        )

    def waiting(self, figures: Mapping[str, float] | None) -> bytes:
        """What is true of the whole service at this moment, in the form of Prometheus."""
        registry = CollectorRegistry()
        Gauge("database_up", "Whether the database answers", registry=registry).set(figures is not None)
        for name, value in (figures or {}).items():
            Gauge(name, WAITING[name], registry=registry).set(value)
        return generate_latest(registry)

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """One request."""
        self.requests.labels(method, route, status).inc()
        self.seconds.labels(method, route).observe(seconds)


class AnswerBrokeOffError(Exception):
    """An answer failed when a part of it was sent: the server closes the connection, so that the client knows."""


class Envelope:
    """The outermost layer of the application."""

    def __init__(self, app: Application, metrics: Metrics) -> None:
        """`app` is what it wraps."""
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Wrap one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun = time.perf_counter()
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if SAFE_REQUEST_ID.fullmatch(given) else secrets.token_hex(16)
        scope.setdefault("state", {})["request_id"] = request_id
        status = 0

        async def answering(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(raw=message["headers"])
                headers["X-Request-Id"] = request_id
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self.app(scope, limited(scope, receive), answering)
        except Exception as error:  # noqa: BLE001 - the last one to know; further out it would be logged with its text
            log.error("bug", kind=type(error).__name__, at=places(error), request_id=request_id)
            if status:
                raise AnswerBrokeOffError from None
            await answer(Request(scope), InternalError())(scope, receive, answering)
        finally:
            self._note(scope, status, time.perf_counter() - begun, request_id)

    def _note(self, scope: Scope, status: int, seconds: float, request_id: str) -> None:
        route = getattr(scope.get("route"), "path", "unknown")
        self.metrics.observe(scope["method"], route, status, seconds)
        if scope["path"] not in QUIET_PATHS:
            milliseconds = round(seconds * 1000, 1)
            log.info(
                "request",
                method=scope["method"],
                route=route,
                status=status,
                milliseconds=milliseconds,
                request_id=request_id,
            )


def limited(scope: Scope, receive: Receive) -> Receive:
    """The body as it arrives, refused as soon as it is too large; an import streams without a limit."""
    if STREAMED_PATHS.fullmatch(scope["path"]):
        return receive
    largest = LARGEST_REPORT_BYTES if REPORT_PATHS.fullmatch(scope["path"]) else LARGEST_BODY_BYTES
    announced = Headers(scope=scope).get("content-length", "0")
    if not announced.isdigit() or len(announced) > MOST_LENGTH_DIGITS or int(announced) > largest:

        async def refused() -> Message:
            raise BodyTooLarge(f"A body here is at most {largest} bytes.")

        return refused
    received = 0

    async def counted() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > largest:
            raise BodyTooLarge(f"A body here is at most {largest} bytes.")
        return message

    return counted
