"""Forms: JSON, CSV or NDJSON, as the Accept header prefers, and answers too long for a page.

A page is JSON; a whole list is a file, written in constant memory as CSV or as one JSON object a line. Answers that
can change carry a weak ETag.
"""

import asyncio
import csv
import io
import re
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, aclosing
from enum import StrEnum
from tempfile import TemporaryFile
from typing import IO, Any

from fastapi import Request, Response
from starlette.types import Receive, Scope, Send

from app.problems import NotAcceptable
from app.words import Sentence

CSV, NDJSON, JSON = "text/csv", "application/x-ndjson", "application/json"
FORMS = (JSON, CSV, NDJSON)
PIECE_BYTES = 64 * 1024
LONGEST_DOWNLOAD_SECONDS = 600
EXTENSIONS = {CSV: "csv", NDJSON: "ndjson"}
CACHING = {
    "Cache-Control": "private, no-cache",
    "Vary": "Authorization, Accept, Accept-Language, Accept-Encoding",
}
WEIGHT = re.compile(r"[0-9]{1,9}(?:\.[0-9]{0,9})?", re.ASCII)
CELL_START = r"(?:\A|[;|\t\r\n][ \"]*)"
FORMULA_SIGN = r"(?=[=+@\x00-\x1f\x7f-\x9f\uff1d\uff0b\uff20\uff0d\u2212]|-(?![0-9]+\Z))"
FORMULA, DEFUSED = re.compile(CELL_START + FORMULA_SIGN), re.compile(f"({CELL_START})'{FORMULA_SIGN}")
"""Where spreadsheets may see a formula begin, some after dropping a control character: at the beginning of a cell, and
behind what separates cells in other countries. Negative whole numbers are safe; full-width signs are not."""


UNCHANGED: dict[int | str, dict[str, Any]] = {304: {"description": "Not modified"}}
"""The OpenAPI response of what is answered conditionally."""


class FileForm(StrEnum):
    """How a file is written: a table with a header, or a JSON object on each line."""

    CSV = "csv"
    NDJSON = "ndjson"

    @property
    def media_type(self) -> str:
        """What Content-Type and Accept call it."""
        return next(media_type for media_type, extension in EXTENSIONS.items() if extension == self)


def documented_texts(examples: Mapping[str, str]) -> dict[str, Any]:
    """The OpenAPI content of an answer that is text, an example for each media type."""
    return {form: {"schema": {"type": "string"}, "example": text} for form, text in examples.items()}


def documented_file(
    description: str, examples: Mapping[str, str], headers: Sequence[str] = ()
) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI responses of a file, an example for each of its forms; `headers` are what it says of itself."""
    return {
        200: {
            "description": description,
            "content": documented_texts(examples),
            "headers": {name: {} for name in ("Content-Disposition", *headers)},
        }
    }


def documented_headers(status: int, *names: str) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI response with headers that do not follow from a route's signature; the document describes them."""
    return {status: {"headers": {name: {} for name in names}}}


def preferred(accept: str, forms: tuple[str, ...]) -> str:
    """The form that the Accept header prefers; among equals the one that is listed first here."""
    liking: dict[str, float] = {}
    for part in accept.split(",") if accept.strip() else ["*/*"]:
        media_type, *parameters = [each.strip().lower() for each in part.split(";")]
        weight = next((each[2:] for each in parameters if each.startswith("q=")), "1")
        quality = float(weight) if WEIGHT.fullmatch(weight) else 0.0
        for form in forms:
            if media_type in {form, "*/*", f"{form.partition('/')[0]}/*"}:
                exact = media_type == form
                liking[form] = quality if exact else liking.get(form, quality)
    best = max(forms, key=lambda form: liking.get(form, 0.0))
    if not liking.get(best):
        raise NotAcceptable(Sentence("Ask for one of {forms}.", forms=", ".join(forms)))
    return best


def matches(header: str, tag: str) -> bool:
    """Whether an If-None-Match names this ETag."""
    return header.strip() == "*" or tag in [each.strip() for each in header.split(",")]


def not_modified(request: Request, tag: str) -> Response | None:
    """A 304 for a client that has this version already; None for any other."""
    if not matches(request.headers.get("if-none-match", ""), tag):
        return None
    return Response(status_code=304, headers={"ETag": tag, **CACHING})


async def spooled(
    parts: AsyncGenerator[bytes, None],
    opened: AbstractContextManager[None],
    form: str,
    name: str,
    headers: Callable[[], Mapping[str, str]] = dict,
) -> Response:
    """A whole list as a file, written to a temporary one first; `opened` is left once it is sent or given up.

    `headers` are asked for when the list has been read.
    """
    with ExitStack() as held:
        held.enter_context(opened)
        file = held.enter_context(TemporaryFile())
        async with aclosing(parts):
            async for part in parts:
                file.write(part)
        size = file.tell()
        file.seek(0)
        return SpooledFile(file, size, held.pop_all(), form, name, headers())


class SpooledFile(Response):
    """The answer that sends a temporary file; it is broken off when the client takes too long."""

    def __init__(
        self, file: IO[bytes], size: int, held: ExitStack, form: str, name: str, headers: Mapping[str, str]
    ) -> None:
        """`held` is closed once the file is sent."""
        disposition = f'attachment; filename="{name}.{EXTENSIONS[form]}"'
        super().__init__(media_type=form, headers={"Content-Disposition": disposition, **CACHING, **headers})
        self.headers["Content-Length"] = str(size)
        self._file, self._held = file, held

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Send the file piece by piece."""
        with self._held:
            async with asyncio.timeout(LONGEST_DOWNLOAD_SECONDS):
                await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
                while part := self._file.read(PIECE_BYTES):
                    await send({"type": "http.response.body", "body": part, "more_body": True})
                await send({"type": "http.response.body", "body": b""})


async def json_lines(batches: AsyncGenerator[Sequence[Any], None]) -> AsyncGenerator[bytes, None]:
    """One JSON object a line; the first cell of each row is its text."""
    async with aclosing(batches) as parts:
        async for some in parts:
            yield "".join(f"{row[0]}\n" for row in some).encode()


async def comma_separated(
    header: Sequence[str], batches: AsyncGenerator[Sequence[Any], None]
) -> AsyncGenerator[bytes, None]:
    """CSV with a header; text that a spreadsheet would run as a formula gets an apostrophe in front."""
    lines = io.StringIO()
    writer = csv.writer(lines)
    writer.writerow(header)
    async with aclosing(batches) as parts:
        async for some in parts:
            writer.writerows([defused(cell) for cell in row] for row in some)
            yield lines.getvalue().encode()
            lines.seek(0)
            lines.truncate()
    yield lines.getvalue().encode()


def defused(cell: object) -> object:
    """Text that no spreadsheet runs; booleans as JSON writes them."""
    if isinstance(cell, str):
        return FORMULA.sub(lambda found: f"{found[0]}'", cell)
    return str(cell).lower() if isinstance(cell, bool) else cell


def as_before_defused(text: str) -> str:
    """The text of which `defused` made this cell."""
    return DEFUSED.sub(r"\1", text)
