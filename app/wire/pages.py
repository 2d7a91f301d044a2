"""Pages: cursors that are sealed and bound to their query, and links to the next page."""

import base64
import hashlib
import hmac
import json
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import Query, Request, Response

from app.problems import Problem


class InvalidCursor(Problem):
    """The cursor is not one that this query gave; start again without it."""

    slug = "invalid-cursor"
    title = "The cursor does not fit"
    status = 400


CURSOR_PATTERN = r"^[A-Za-z0-9_-]{24,1000}$"

SEAL_BYTES = 16

Cursor = Annotated[
    str,
    Query(description="`next_cursor` of the page before", json_schema_extra={"pattern": CURSOR_PATTERN}),
]


def seal(secret: bytes, query: str, position: Sequence[object]) -> str:
    """A cursor: where a page ended, signed together with the query that it belongs to."""
    content = json.dumps(position, separators=(",", ":"), ensure_ascii=False).encode()
    return base64.urlsafe_b64encode(_seal_of(secret, query, content) + content).decode().rstrip("=")


def unseal(secret: bytes, query: str, cursor: str) -> list[Any]:
    """The position in a cursor of the same account and query; anything else is InvalidCursor."""
    try:
        sealed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except ValueError:
        raise InvalidCursor from None
    content = sealed[SEAL_BYTES:]
    if not hmac.compare_digest(sealed[:SEAL_BYTES], _seal_of(secret, query, content)):
        raise InvalidCursor
    position: list[Any] = json.loads(content)
    return position


def _seal_of(secret: bytes, query: str, content: bytes) -> bytes:
    return hmac.new(secret, query.encode() + b"\0" + content, hashlib.sha256).digest()[:SEAL_BYTES]


def link_next(request: Request, response: Response, cursor: str | None) -> None:
    """Tell the next page in a Link header too."""
    if cursor is not None:
        response.headers["Link"] = next_link(request, cursor)


def next_link(request: Request, cursor: str) -> str:
    """The Link header's value for the page at the cursor."""
    given = [pair for pair in request.scope["query_string"].decode("latin-1").split("&") if pair]
    kept = [pair for pair in given if pair.partition("=")[0] != "cursor"]
    return f'<{request.scope["path"]}?{"&".join([*kept, f"cursor={cursor}"])}>; rel="next"'
