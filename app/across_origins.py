"""Across origins: what a web page of another origin may send, by the rules of CORS.

Only the origins that CORS_ORIGINS names may read answers. They may read whatever their key or token admits, and they
may post where a browser token is admitted.
"""

from collections.abc import Iterable, Iterator

from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.middleware.cors import CORSMiddleware

from app.accounts.guarded_route import permission_of
from app.envelope import AsgiApplication, AsgiReceive, AsgiScope, AsgiSend

EXPOSED_HEADERS = (
    "ETag",
    "Idempotent-Replayed",
    "Link",
    "Location",
    "RateLimit",
    "RateLimit-Policy",
    "X-As-Of",
    "X-Currency",
    "X-End",
    "X-Start",
    "X-Time-Zone",
    "Retry-After",
    "X-Request-Id",
)

REQUEST_HEADERS = ("Authorization", "If-None-Match", "X-Request-Id")


def token_posts(routers: Iterable[APIRouter]) -> Iterator[str]:
    """The paths to which a browser token may post."""
    for router in routers:
        for route in router.routes:
            if isinstance(route, APIRoute) and "POST" in (route.methods or ()):
                permission = permission_of(route.dependant)
                if permission is not None and permission.token is not None:
                    yield route.path


class AcrossOrigins:
    """Lets the pages of these origins read, and post to `posts`."""

    def __init__(self, app: AsgiApplication, origins: tuple[str, ...], posts: frozenset[str]) -> None:
        """`app` is what it wraps."""

        def admitting(methods: tuple[str, ...], headers: tuple[str, ...]) -> CORSMiddleware:
            return CORSMiddleware(
                app,
                allow_origins=origins,
                allow_methods=methods,
                allow_headers=headers,
                expose_headers=EXPOSED_HEADERS,
                max_age=600,
            )

        self._posts = posts
        self._reading = admitting(("GET",), REQUEST_HEADERS)
        self._posting = admitting(("GET", "POST"), (*REQUEST_HEADERS, "Idempotency-Key"))

    async def __call__(self, scope: AsgiScope, receive: AsgiReceive, send: AsgiSend) -> None:
        """Answer a preflight, or let a request pass."""
        admitting = self._posting if scope.get("path") in self._posts else self._reading
        await admitting(scope, receive, send)
