"""Reading rows: records become rows, which are dicts of the fields of an order, or refusals."""

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import Any, NamedTuple

from app.orders.cut_records import LONGEST_ROW_BYTES, TOO_LONG, UNREADABLE, Record, grammar_of
from app.orders.normal_form import Refusal
from app.orders.spelling import Spelling
from app.vocabulary import LayoutName
from app.wire.strict_json import strict_json
from app.words import Sentence

WHOLE_NUMBER = re.compile(r"\s*([0-9]{1,18})(?:[.,]0+)?\s*", re.ASCII)
YES_AND_NO = {
    **dict.fromkeys(("true", "1", "yes", "y", "t", "wahr", "ja", "vero", "verdadero"), True),
    **dict.fromkeys(("false", "0", "no", "n", "f", "falsch", "nein", "falso"), False),
}
"""The cells of a table that hold a number or a boolean; JSON has types of its own."""

REFUSED_RECORDS = {
    TOO_LONG: Sentence("Send rows of at most {most} bytes.", most=LONGEST_ROW_BYTES),
    UNREADABLE: Sentence("Send the row as CSV: close each quote, and let no text follow the closing one."),
}


NOT_TEXT = Refusal(None, "not_utf8", Sentence("Send the row in UTF-8, or declare its charset."))


class Aside(StrEnum):
    """What a row is that is no order by itself."""

    FOLDED = "folded"
    IGNORED = "ignored"


class Table(NamedTuple):
    """How the rows of a table are read; `columns` has the field of each cell, None where it is left out.

    With a layout `columns` are the names that it knows.
    """

    delimiter: str
    columns: tuple[str | None, ...]
    spelling: Spelling
    layout: LayoutName | None = None


class Records(NamedTuple):
    """Some records of a stream, not parsed yet; `table` is None where each is a JSON object."""

    records: list[Record]
    table: Table | None
    is_last: bool = False

    def rows(self) -> Iterator[tuple[int, int, Any]]:
        """The numbers of the first and the last line of each row, and the row: a dict, or a Refusal."""
        for line, record in self.records:
            if isinstance(record, str):
                yield line, line, Refusal(None, record, REFUSED_RECORDS[record])
            elif self.table is None:
                yield line, line, _json_row(record)
            else:
                yield line, line + record.count(b"\n"), _csv_row(record, self.table)


def cells_of_record(record: bytes, delimiter: str) -> list[str] | Refusal:
    """The cells of a record that the cutter has let through."""
    try:
        return grammar_of(delimiter).cells_of(record.decode().removesuffix("\r"))
    except UnicodeDecodeError:
        return NOT_TEXT


def cells_of_row(record: bytes | str, table: Table) -> list[str] | Refusal:
    """As many cells as the table has columns."""
    if isinstance(record, str):
        return Refusal(None, record, REFUSED_RECORDS[record])
    cells = cells_of_record(record, table.delimiter)
    if isinstance(cells, Refusal) or len(cells) == len(table.columns):
        return cells
    detail = Sentence("Send {cells} cells, as many as in the first line.", cells=len(table.columns))
    return Refusal(None, "wrong_number_of_cells", detail)


def _csv_row(record: bytes, table: Table) -> dict[str, Any] | Refusal:
    cells = cells_of_row(record, table)
    if isinstance(cells, Refusal):
        return cells
    row: dict[Any, Any] = dict(zip(table.columns, cells, strict=True))
    row.pop(None, None)
    return _typed(row)


def _typed(row: dict[str, Any]) -> dict[str, Any]:
    if items := WHOLE_NUMBER.fullmatch(row.get("items", "")):
        row["items"] = int(items[1])
    if (said := row.get("test", "").strip().lower()) in YES_AND_NO:
        row["test"] = YES_AND_NO[said]
    return row


def _json_row(record: bytes) -> Any:  # noqa: ANN401 - JSON
    try:
        return strict_json(record.decode())
    except UnicodeDecodeError:
        return NOT_TEXT
    except (ValueError, RecursionError):
        return Refusal(None, "unreadable_row", Sentence("Send the row as valid JSON."))
