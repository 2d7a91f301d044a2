"""Envelope: what every request and response carries, whatever the route.

Pure ASGI, because it runs on every request: the request id, security headers,
one log line and the metrics. Neither holds a query string, a key or a person's data.
"""

import re
import secrets
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request

from app.problems import InternalError, answer, log, places
from app.process_metrics import Metrics

AsgiScope = MutableMapping[str, Any]
AsgiMessage = MutableMapping[str, Any]
AsgiReceive = Callable[[], Awaitable[AsgiMessage]]
AsgiSend = Callable[[AsgiMessage], Awaitable[None]]
AsgiApplication = Callable[[AsgiScope, AsgiReceive, AsgiSend], Awaitable[None]]

SAFE_REQUEST_ID = re.compile(r"[A-Za-z0-9._~:/+=-]{1,128}", re.ASCII)
CLIENT_LEFT = "client_left"
"""Set in the state of a request whose client has closed the connection before it was answered."""
QUIET_PATHS = frozenset({"/livez", "/readyz", "/metrics"})

SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}


class AnswerBrokeOffError(Exception):
    """An answer failed after a part of it was sent: the server closes the connection, so that the client notices."""


class RequestLayer:
    """The outermost layer of the application."""

    def __init__(self, app: AsgiApplication, metrics: Metrics) -> None:
        """`app` is what it wraps."""
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: AsgiScope, receive: AsgiReceive, send: AsgiSend) -> None:
        """Wrap one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun = time.perf_counter()
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if SAFE_REQUEST_ID.fullmatch(given) else secrets.token_hex(16)
        scope.setdefault("state", {})["request_id"] = request_id
        status, is_broken_off = 0, False

        async def answering(message: AsgiMessage) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(raw=message["headers"])
                headers["X-Request-Id"] = request_id
                message["headers"] += scope["state"].get("rate_headers", ())
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self.app(scope, receive, answering)
        except Exception as error:  # noqa: BLE001 - the last one to know; further out it would be logged with its text
            is_broken_off = bool(status)
            if not scope["state"].get(CLIENT_LEFT):
                log.error("bug", kind=type(error).__name__, at=places(error), request_id=request_id)
            if is_broken_off:
                raise AnswerBrokeOffError from None
            await answer(Request(scope), InternalError())(scope, receive, answering)
        finally:
            ended = "abandoned" if scope["state"].get(CLIENT_LEFT) else "broken off" if is_broken_off else None
            self._note(scope, status, time.perf_counter() - begun, ended)

    def _note(self, scope: AsgiScope, status: int, seconds: float, ended: str | None) -> None:
        """Count and log the request; `ended` says how its answer ended that did not arrive whole."""
        route = getattr(scope.get("route"), "path", "unknown")
        self.metrics.observe(scope["method"], route, status, seconds)
        if ended is not None:
            self.metrics.unfinished.labels(route, ended).inc()
        if scope["path"] in QUIET_PATHS:
            return
        caller = scope["state"].get("caller")
        log.info(
            "request",
            method=scope["method"],
            route=route,
            status=status,
            milliseconds=round(seconds * 1000, 1),
            request_id=scope["state"]["request_id"],
            **({"account_id": caller.account_id, "key_id": caller.key_id} if caller else {}),
            **({"ended": ended} if ended else {}),
        )
