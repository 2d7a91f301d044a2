"""Pages: cursors that are sealed and bound to their query, and links to the next page."""

import base64
import hmac
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from fastapi import Request, Response
from pydantic import Field

from app.problems import Problem
from app.wire.seals import seal
from app.wire.strict_json import Strict


class InvalidCursor(Problem):
    """The cursor is not one that this query gave; start again without it."""

    slug = "invalid-cursor"
    title = "The cursor does not fit"
    status = 400


CURSOR_PATTERN = r"^[A-Za-z0-9_-]{24,1000}$"

CURSOR_EXAMPLE = "q0Jk3mV8vYw2c1R5Zt9xLQWzIwMjYtMTEtMjFUMjA6MTU6MDBaIl0"

CURSOR_SEAL_BYTES = 16

LARGEST_PAGE = 1000


class PageQuery(Strict):
    """Which page of a list."""

    limit: Annotated[int, Field(ge=1, le=LARGEST_PAGE)] = 50
    cursor: (
        Annotated[str, Field(json_schema_extra={"pattern": CURSOR_PATTERN, "examples": [CURSOR_EXAMPLE]})] | None
    ) = Field(None, description="`next_cursor` of the page before")


Listed = TypeVar("Listed")


@dataclass(frozen=True, slots=True)
class Listing:
    """One page of a list: where it begins, and the cursor of the next one; a cursor is bound to the list's name."""

    request: Request
    response: Response
    secret: bytes
    name: str
    page: PageQuery

    def start(self, first: Sequence[Any]) -> Sequence[Any]:
        """The position behind which the page begins; `first` without a cursor."""
        return first if self.page.cursor is None else open_cursor(self.secret, self.name, self.page.cursor)

    def cut(
        self, rows: Sequence[Listed], position: Callable[[Listed], Sequence[object]]
    ) -> tuple[Sequence[Listed], str | None]:
        """The rows of the page and the cursor of the next one, of one row more than the limit; sets the Link header."""
        if len(rows) <= self.page.limit:
            return rows, None
        shown = rows[: self.page.limit]
        cursor = seal_cursor(self.secret, self.name, position(shown[-1]))
        self.response.headers["Link"] = next_link(self.request, cursor)
        return shown, cursor


def seal_cursor(secret: bytes, query: str, position: Sequence[object]) -> str:
    """A cursor: where a page ended, sealed together with the query that it belongs to."""
    content = json.dumps(position, separators=(",", ":"), ensure_ascii=False).encode()
    sealed = seal(secret, query, content, size=CURSOR_SEAL_BYTES) + content
    return base64.urlsafe_b64encode(sealed).decode().rstrip("=")


def open_cursor(secret: bytes, query: str, cursor: str) -> list[Any]:
    """The position in a cursor of the same account and query; anything else is InvalidCursor."""
    try:
        sealed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except ValueError:
        raise InvalidCursor from None
    content = sealed[CURSOR_SEAL_BYTES:]
    expected = seal(secret, query, content, size=CURSOR_SEAL_BYTES)
    if not hmac.compare_digest(sealed[:CURSOR_SEAL_BYTES], expected):
        raise InvalidCursor
    position: list[Any] = json.loads(content)
    return position


def next_link(request: Request, cursor: str) -> str:
    """The Link header's value for the page at the cursor."""
    given = [pair for pair in request.scope["query_string"].decode("latin-1").split("&") if pair]
    kept = [pair for pair in given if pair.partition("=")[0] != "cursor"]
    return f'<{request.scope["path"]}?{"&".join([*kept, f"cursor={cursor}"])}>; rel="next"'
