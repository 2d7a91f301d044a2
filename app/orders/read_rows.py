"""Reading rows: a stream of bytes becomes rows with their line numbers, in constant memory.

CSV and NDJSON, plain or gzip (told by Content-Encoding or by its first two bytes). A row that
cannot be read is handed on as a refusal, and reading continues; a stream that breaks is a problem.
"""

import csv
import re
import zlib
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterator
from typing import Any

from app.orders.normal_form import Refusal
from app.orders.schemas import OrderRow
from app.problems import Problem
from app.wire.strict_json import strict_json

LONGEST_ROW_BYTES = 64 * 1024
HARMLESS_BYTES = 32 * 1024 * 1024
MOST_TIMES_LARGER = 200
"""A gzip stream beyond both is not a table of orders, which shrinks to a tenth or so."""

INFLATED_AT_ONCE_BYTES = 256 * 1024
CUT_AT_ONCE_BYTES = 4 * 1024
"""Small enough not to delay other requests even if every line of it is refused."""
GZIP_MAGIC = b"\x1f\x8b"

WHOLE_NUMBER = re.compile(r"\s*[0-9]{1,18}\s*", re.ASCII)
YES_AND_NO = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
"""The cells of a CSV that hold a number or a boolean; JSON has types of its own."""

Line = tuple[int, Any]
"""A line number and the row that begins there: a dict, or a Refusal."""


class BrokenStream(Problem):
    """The stream is not what its headers say or ends early; what came before may be stored: send it all again."""

    slug = "broken-stream"
    title = "The stream broke"
    status = 400


class UnknownColumns(Problem):
    """The first line of a CSV must name the columns: those of an order, each once, order_id among them."""

    slug = "unknown-columns"
    title = "The columns do not fit"
    status = 422


async def inflated(chunks: AsyncIterable[bytes], *, gzip: bool) -> AsyncIterator[bytes]:
    """The bytes, unpacked where they are gzip, never much at a time."""
    inflater: Any = None
    first = True
    packed_bytes = unpacked_bytes = 0
    async for chunk in chunks:
        if not chunk:
            continue
        packed_bytes += len(chunk)
        if first:
            inflater = zlib.decompressobj(wbits=31) if gzip or chunk.startswith(GZIP_MAGIC) else None
            first = False
        if inflater is None:
            yield chunk
            continue
        packed = chunk
        while packed:
            if inflater.eof:
                inflater = zlib.decompressobj(wbits=31)
            try:
                unpacked = inflater.decompress(packed, INFLATED_AT_ONCE_BYTES)
            except zlib.error:
                raise BrokenStream("The body is not valid gzip.") from None
            unpacked_bytes += len(unpacked)
            if unpacked_bytes > max(HARMLESS_BYTES, MOST_TIMES_LARGER * packed_bytes):
                raise BrokenStream(f"The gzip stream unpacks to more than {MOST_TIMES_LARGER} times its size.")
            yield unpacked
            packed = inflater.unconsumed_tail or inflater.unused_data
    if inflater is not None and not inflater.eof:
        raise BrokenStream("The gzip stream ends early.")


class Records:
    """Cuts bytes into records: lines, or with `quoted` what stands between line ends outside of quotes."""

    def __init__(self, *, quoted: bool) -> None:
        """Nothing read yet."""
        self._quoted = quoted
        self._rest = b""
        self._record = b""
        self._line = 0
        self._first_line = 1
        self._too_long = False

    def feed(self, chunk: bytes) -> Iterator[tuple[int, bytes | None]]:
        """The records that end in this chunk, each with the number of its first line; None for one too long."""
        lines = (self._rest + chunk).split(b"\n")
        self._rest = lines.pop()
        for line in lines:
            if line or self._record or self._too_long:
                yield from self._end_of_line(line)
            else:
                self._line += 1
        if len(self._rest) > LONGEST_ROW_BYTES:
            self._rest, self._too_long = b"", True

    def end(self) -> Iterator[tuple[int, bytes | None]]:
        """The last record, if the stream did not end with a line end."""
        if self._rest or self._too_long:
            yield from self._end_of_line(self._rest)
        if self._record:
            yield self._first_line, self._record

    def _end_of_line(self, line: bytes) -> Iterator[tuple[int, bytes | None]]:
        self._line += 1
        if not self._record:
            self._first_line = self._line
        if self._too_long or len(self._record) + len(line) > LONGEST_ROW_BYTES:
            self._record, self._too_long = b"", False
            yield self._first_line, None
            return
        self._record = self._record + b"\n" + line if self._record else line
        if self._quoted and self._record.count(b'"') % 2:
            return
        record, self._record = self._record.removesuffix(b"\r"), b""
        if record.strip():
            yield self._first_line, record


TOO_LONG = Refusal(None, "row_too_long", f"a row must not be longer than {LONGEST_ROW_BYTES} bytes")


async def csv_rows(chunks: AsyncIterable[bytes]) -> AsyncIterator[list[Line]]:
    """The rows of a CSV whose first line names the columns."""
    parse: Callable[[bytes], Any] | None = None
    async for records in _cut(chunks, Records(quoted=True)):
        if parse is None and records:
            first = records.pop(0)[1]
            columns = _columns(first)

            def parse(record: bytes, columns: list[str] = columns) -> Any:  # noqa: ANN401 - a row
                return _csv_row(record, columns)

        yield [(line, TOO_LONG if record is None or parse is None else parse(record)) for line, record in records]
    if parse is None:
        raise UnknownColumns


async def ndjson_rows(chunks: AsyncIterable[bytes]) -> AsyncIterator[list[Line]]:
    """The rows of a stream with one JSON object a line."""
    async for records in _cut(chunks, Records(quoted=False)):
        yield [(line, TOO_LONG if record is None else _json_row(record)) for line, record in records]


async def _cut(chunks: AsyncIterable[bytes], cutter: Records) -> AsyncIterator[list[tuple[int, bytes | None]]]:
    """The records of each piece, which may be none: other requests are served between two pieces."""
    async for chunk in chunks:
        for start in range(0, len(chunk), CUT_AT_ONCE_BYTES):
            yield [*cutter.feed(chunk[start : start + CUT_AT_ONCE_BYTES])]
    yield [*cutter.end()]


def _columns(header: bytes | None) -> list[str]:
    cells = _cells(header.removeprefix(b"\xef\xbb\xbf")) if header is not None else None
    if not isinstance(cells, list):
        raise UnknownColumns
    columns = [cell.strip().lower() for cell in cells]
    known = set(OrderRow.model_fields)
    if len(set(columns)) != len(columns) or not set(columns) <= known or "order_id" not in columns:
        raise UnknownColumns(f"{UnknownColumns.__doc__} Columns of an order: {', '.join(OrderRow.model_fields)}.")
    return columns


def _cells(record: bytes) -> list[str] | Refusal:
    try:
        text = record.decode()
        return next(csv.reader((text,), strict=True)) if '"' in text or "\r" in text else text.split(",")
    except UnicodeDecodeError:
        return Refusal(None, "not_utf8", "the row is not UTF-8")
    except (csv.Error, StopIteration):
        return Refusal(None, "unreadable_row", "the row is not CSV: look at its quotes")


def _csv_row(record: bytes, columns: list[str]) -> dict[str, Any] | Refusal:
    cells = _cells(record)
    if isinstance(cells, Refusal):
        return cells
    if len(cells) != len(columns):
        return Refusal(None, "wrong_number_of_cells", f"the row must have {len(columns)} cells, as the first line")
    row: dict[str, Any] = dict(zip(columns, cells, strict=True))
    if WHOLE_NUMBER.fullmatch(row.get("items", "")):
        row["items"] = int(row["items"])
    if (said := row.get("test", "").strip().lower()) in YES_AND_NO:
        row["test"] = YES_AND_NO[said]
    return row


def _json_row(record: bytes) -> Any:  # noqa: ANN401 - JSON
    try:
        return strict_json(record.decode())
    except UnicodeDecodeError:
        return Refusal(None, "not_utf8", "the row is not UTF-8")
    except (ValueError, RecursionError):
        return Refusal(None, "unreadable_row", "the row is not valid JSON")
