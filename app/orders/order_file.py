"""Order files: what a client sends becomes records, read as its parameters say or as a sample shows."""

import asyncio
import re
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from collections.abc import Set as AbstractSet
from tempfile import TemporaryFile
from typing import IO

from app.orders.cut_records import LONGEST_ROW_BYTES, LineCutter, Record, RecordCutter, grammar_of
from app.orders.file_options import AsWritten, FileHome
from app.orders.foreign_rows import Refunds
from app.orders.layouts import LAYOUTS
from app.orders.layouts.declaration import Layout, column_name
from app.orders.read_columns import DELIMITERS, columns_of, guessed_delimiter, header_cells, layout_of
from app.orders.read_rows import Records, Table, cells_of_record
from app.orders.schemas import ReadAs
from app.orders.spelling import DateOrder, DecimalMark, Spelling, guessed_dates, guessed_decimal
from app.orders.streams import UTF_8, Ahead, TextStream, inflated
from app.orders.workbook import ZIP_MAGIC, workbook_as_csv
from app.problems import BodyTooLarge, FieldError, InvalidRequest
from app.vocabulary import FileFormat
from app.words import Sentence

CUT_AT_ONCE_BYTES = 16 * 1024
"""Small enough not to delay other requests even if every byte of it is a line end."""
RECORDS_AT_ONCE = 2_500
SAMPLE_BYTES = 64 * 1024
SAMPLE_ROWS = 1_000
LARGEST_SPOOL_BYTES = 256 * 1024 * 1024
SEPARATOR_LINE = re.compile(rb"sep=(.)\r?", re.IGNORECASE)
"""The line by which Excel is told what is between cells."""
AMOUNT_FIELDS, MOMENT_FIELDS = {"total", "refunded"}, {"ordered_at", "updated_at", "marketing_at", "since"}


class OrderFile:
    """A file of orders, or of other rows, that is being read; `read_as` says how once its first records are there."""

    def __init__(
        self,
        chunks: AsyncIterable[bytes],
        file_format: FileFormat | None,
        written: AsWritten,
        home: FileHome,
        *,
        gzip: bool = False,
        charset: str | None = None,
    ) -> None:
        """Without a format its first bytes tell it; `charset` is what its Content-Type declares."""
        self._content = Ahead(inflated(chunks, gzip=gzip))
        self._format = file_format
        self._written, self._home = written, home
        self._charset = written.charset or charset
        self.read_as = ReadAs(format=file_format or FileFormat.CSV)
        self.refunds = Refunds(home.currency)

    async def records(self) -> AsyncIterator[Records]:
        """The records of the file; a problem where it is another file than it should be."""
        file_format = await self._recognised_format()
        content = workbook_as_csv(self._content) if file_format is FileFormat.XLSX else self._content
        text = TextStream(content, UTF_8 if file_format is FileFormat.XLSX else self._charset)
        self.read_as = ReadAs(format=file_format, charset=text.charset)
        if file_format is FileFormat.NDJSON:
            async for lines in cut_stream(text, LineCutter()):
                yield Records(lines, None)
                self.read_as.charset = text.charset
            return
        ahead = Ahead(text)
        table, skipped = await self._read_table(ahead)
        layout = None if table.layout is None else LAYOUTS[table.layout]
        self.read_as = ReadAs(
            format=file_format,
            layout=table.layout,
            charset=text.charset,
            delimiter=next(name for name, each in DELIMITERS.items() if each == table.delimiter),
            decimal=table.spelling.decimal,
            dates=table.spelling.dates,
        )
        if layout is None or layout.refund_rows is None:
            async for records in _records_of(ahead, table, skipped):
                yield records
            return
        with TemporaryFile() as spool:
            await _spool(ahead, spool)
            async for records in _records_of(_pieces(spool), table, skipped):
                await asyncio.to_thread(self.refunds.collect, records)
            async for records in _records_of(_pieces(spool), table, skipped):
                yield records

    async def _recognised_format(self) -> FileFormat:
        start = await self._content.see(len(ZIP_MAGIC))
        if start == ZIP_MAGIC:
            return FileFormat.XLSX
        if self._format is None:
            return FileFormat.NDJSON if start.lstrip(b"\xef\xbb\xbf \r\n\t")[:1] == b"{" else FileFormat.CSV
        return FileFormat.CSV if self._format is FileFormat.XLSX else self._format

    async def _read_table(self, ahead: Ahead) -> tuple[Table, int]:
        """How the table is read, and how many records come before its rows."""
        header, delimiter, skipped = await self._header(ahead)
        layout = layout_of(header, self._written)
        columns = columns_of(header, self._written) if layout is None else (*map(column_name, header),)
        while len(ahead.seen) < SAMPLE_BYTES and await ahead.see_more():
            pass
        rows = _sample(ahead, delimiter, skipped, len(columns))
        amounts, moments = (AMOUNT_FIELDS, MOMENT_FIELDS) if layout is None else (layout.amounts, layout.moments)
        spelling = self._spelling(layout, [*_cells_in(columns, amounts, rows)], [*_cells_in(columns, moments, rows)])
        return Table(delimiter, columns, spelling, None if layout is None else layout.name), skipped

    async def _header(self, ahead: Ahead) -> tuple[list[str], str, int]:
        """The names in the first line, the delimiter, and how many records come before the rows."""
        lines = await first_records(ahead, LineCutter(), 1)
        told = SEPARATOR_LINE.fullmatch(lines[0][1]) if lines and isinstance(lines[0][1], bytes) else None
        skipped = 1 if told is None else 2
        if told is not None:
            lines = await first_records(ahead, LineCutter(), 2)
        first = lines[skipped - 1][1] if len(lines) >= skipped else b""
        delimiter = DELIMITERS.get(self._written.delimiter or "")
        if delimiter is None and told is not None and told[1].decode("latin-1") in DELIMITERS.values():
            delimiter = told[1].decode("latin-1")
        if delimiter is None:
            delimiter = guessed_delimiter(first, self._written)
        records = await first_records(ahead, RecordCutter(grammar_of(delimiter)), skipped)
        return header_cells(records[skipped - 1][1] if len(records) >= skipped else b"", delimiter), delimiter, skipped

    def _spelling(self, layout: Layout | None, amounts: list[str], moments: list[str]) -> Spelling:
        """As the parameters say, else as the sample shows."""
        errors = []
        decimal, dates = self._written.decimal, self._written.dates
        if decimal is None:
            decimal = guessed_decimal(amounts, self._home.digits)
            if decimal is None:
                errors.append(
                    _unclear(
                        "decimal",
                        Sentence("Say whether . or , is the decimal mark: amounts such as 1.250 could have either."),
                    )
                )
        if dates is None:
            dates = guessed_dates(moments) or (None if layout is None else layout.dates)
            if dates is None:
                errors.append(_unclear("dates", Sentence("Say dmy or mdy: dates such as 03/04/2025 could be either.")))
        if decimal is None or dates is None:
            raise InvalidRequest(errors=errors)
        return Spelling(DecimalMark(decimal), DateOrder(dates), self._home.time_zone)


def _unclear(name: str, detail: Sentence) -> FieldError:
    return {"in": "query", "pointer": f"#/{name}", "code": f"unclear_{name}", "detail": detail}


async def first_records(ahead: Ahead, cutter: LineCutter, count: int) -> list[Record]:
    """The first records of a stream, fewer where it is shorter or they are too long."""
    found: list[Record] = []
    fed = 0
    while len(found) < count and fed <= 2 * LONGEST_ROW_BYTES:
        if fed == len(ahead.seen) and not await ahead.see_more():
            return found + cutter.end()
        found += cutter.feed(ahead.seen[fed:])
        fed = len(ahead.seen)
    return found


def _sample(ahead: Ahead, table_delimiter: str, skipped: int, width: int) -> list[list[str]]:
    """The first rows, as far as they can be read."""
    cutter = RecordCutter(grammar_of(table_delimiter))
    found = [*cutter.feed(ahead.seen), *(cutter.end() if ahead.is_whole else [])][skipped : skipped + SAMPLE_ROWS]
    rows = (cells_of_record(record, table_delimiter) for _, record in found if isinstance(record, bytes))
    return [row for row in rows if isinstance(row, list) and len(row) == width]


def _cells_in(columns: tuple[str | None, ...], fields: AbstractSet[str], rows: list[list[str]]) -> Iterator[str]:
    places = [place for place, column in enumerate(columns) if column in fields]
    return (row[place] for row in rows for place in places)


async def _records_of(chunks: AsyncIterable[bytes], table: Table, skipped: int) -> AsyncIterator[Records]:
    """The records of a table behind those that are skipped."""
    async for some in cut_stream(chunks, RecordCutter(grammar_of(table.delimiter))):
        yield Records(some[skipped:], table)
        skipped = max(0, skipped - len(some))


async def _spool(chunks: AsyncIterable[bytes], spool: IO[bytes]) -> None:
    """Keep a whole table on disk: refunds may stand before or behind their orders."""
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if size > LARGEST_SPOOL_BYTES:
            raise BodyTooLarge
        spool.write(chunk)


async def _pieces(spool: IO[bytes]) -> AsyncIterator[bytes]:
    spool.seek(0)
    while piece := spool.read(SAMPLE_BYTES):
        yield piece


async def cut_stream(chunks: AsyncIterable[bytes], cutter: LineCutter) -> AsyncIterator[list[Record]]:
    """The records of a stream, many at a time."""
    found: list[Record] = []
    async for chunk in chunks:
        for start in range(0, len(chunk), CUT_AT_ONCE_BYTES):
            found += cutter.feed(chunk[start : start + CUT_AT_ONCE_BYTES])
            await asyncio.sleep(0)  # others are served
            if len(found) >= RECORDS_AT_ONCE:
                yield found
                found = []
    yield [*found, *cutter.end()]
