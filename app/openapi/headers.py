"""Headers: what answers carry beside their bodies, told where it is really sent."""

from collections.abc import Iterator
from typing import Any

from fastapi.dependencies.models import Dependant

from app.accounts.answer_once import KEY_HEADER
from app.accounts.guarded_route import headers_of, permission_of, query_models
from app.problems import PROBLEM_JSON
from app.wire.pages import CURSOR_EXAMPLE, PageQuery
from app.words import Language

TEXT, NUMBER = {"type": "string"}, {"type": "integer", "minimum": 0}
EXAMPLE_TAG = 'W/"5f2b8c1d9e7a4036b1c2d3e4f5a60718"'


def _header(description: str, example: object, schema: dict[str, Any] = TEXT) -> dict[str, Any]:
    return {"description": description, "schema": schema, "example": example}


ANSWERED_BEFORE_THE_KEY = {"401", "431"}
"""The statuses of requests that count for no key."""

HEADERS: dict[str, dict[str, Any]] = {
    "X-Request-Id": _header(
        "the id of this request in the logs: yours, when you send one of at most 128 safe characters",
        "4f1c2a9b7d3e4c5f8a6b0d1e2f3a4b5c",
    ),
    "RateLimit-Policy": _header(
        "the limit that this request counts for: how many requests (`q`) in how many seconds (`w`)",
        '"default";q=600;w=60',
    ),
    "RateLimit": _header(
        "how many requests are left (`r`) in how many seconds (`t`); without a limit it is not sent",
        '"default";r=597;t=42',
    ),
    "Retry-After": _header("how many seconds to wait before the next try", 2, NUMBER),
    "WWW-Authenticate": _header("how to authenticate", 'Bearer realm="loyalty-leaderboard"'),
    "ETag": _header("the version of the answer, weak: send it back as `If-None-Match`", EXAMPLE_TAG),
    "Link": _header(
        'the next page, as `rel="next"`; on the last page it is not sent',
        f'</leaderboard?audience=aud_900001&source=src_900001&cursor={CURSOR_EXAMPLE}>; rel="next"',
    ),
    "Location": _header("the path of what the request has made, or where it is now", "/messages/msg_900007"),
    "Idempotent-Replayed": _header(
        "sent when this is the answer to an earlier request with the same Idempotency-Key",
        "true",
        {"type": "string", "enum": ["true"]},
    ),
    "Content-Language": _header("the language of the answer", "de", {"type": "string", "enum": [*Language]}),
    "Content-Disposition": _header("the name of the file", 'attachment; filename="vips-src_900001-2026-11-21.csv"'),
    "X-As-Of": _header("the instant that the file tells of", "2026-11-21T20:15:00Z"),
    "X-Start": _header("where the interval begins, in the store's zone", "2026-10-01T00:00:00+02:00"),
    "X-End": _header("where the interval ends, in the store's zone", "2026-11-01T00:00:00+01:00"),
    "X-Time-Zone": _header("the time zone of the store", "Europe/Rome"),
    "X-Currency": _header("the currency of the amounts", "EUR"),
}
"""Every header that the document tells of."""

IF_NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": "the ETag of the answer that you have: an unchanged one is answered 304, without a body",
    "schema": TEXT,
    "example": EXAMPLE_TAG,
}


def told_headers(dependant: Dependant, status: str, operation: dict[str, Any]) -> dict[str, Any]:
    """The headers of one answer of an operation, each as a reference to its description."""
    declared = operation["responses"][status].get("headers", {})
    found = {*declared, *_always(dependant, status), *_of_success(dependant, status, operation)}
    found |= set(_of_problem(status, operation))
    return {name: {"$ref": f"#/components/headers/{name}"} for name in HEADERS if name in found}


def _always(dependant: Dependant, status: str) -> Iterator[str]:
    yield "X-Request-Id"
    if status in ANSWERED_BEFORE_THE_KEY:
        return
    permission = permission_of(dependant)
    if permission is not None and not permission.operator:
        yield from ("RateLimit", "RateLimit-Policy")


def _of_success(dependant: Dependant, status: str, operation: dict[str, Any]) -> Iterator[str]:
    if "304" in operation["responses"] and status in {"200", "304"}:
        yield "ETag"
    if not status.startswith("2"):
        return
    if any(issubclass(model, PageQuery) for model in query_models(dependant)):
        yield "Link"
    if any(field.alias == KEY_HEADER for field, _ in headers_of(dependant)):
        yield "Idempotent-Replayed"


def _of_problem(status: str, operation: dict[str, Any]) -> Iterator[str]:
    content = operation["responses"][status].get("content", {})
    if PROBLEM_JSON not in content or status == "431":
        return
    yield "Content-Language"
    codes = content[PROBLEM_JSON].get("examples", {})
    if status in {"429", "503"} or "request_in_progress" in codes:
        yield "Retry-After"
    if "key_required" in codes:
        yield "WWW-Authenticate"
    if status == "308":
        yield "Location"
