"""Columns: the first line of a table tells which field of an order or a customer each cell holds."""

import re
from collections import Counter
from collections.abc import Sequence

from app.orders.cut_records import grammar_of
from app.orders.file_options import AsWritten
from app.orders.layouts import LAYOUTS, is_recognised, recognised_layout
from app.orders.layouts.declaration import Layout, column_name
from app.orders.read_rows import cells_of_record
from app.orders.schemas import OrderRow
from app.problems import FieldError, InvalidRequest, Problem
from app.vocabulary import LayoutName
from app.wire.strict_json import Strict, strict_json
from app.words import Sentence

DELIMITERS = {",": ",", ";": ";", "tab": "\t", "|": "|"}
"""What may stand between cells, by its name in a query."""
LAYOUT_COLUMNS = {name for layout in LAYOUTS.values() for names in layout.recognised_by for name in names}
MOST_NAMED_COLUMNS = 20
LONGEST_NAME = 60
NOT_SHOWN = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


class UnknownColumns(Problem):
    """The first line of a CSV must name the columns: fields of its rows, each once, and all that are required."""

    slug = "unknown-columns"
    title = "The columns do not fit"
    status = 422


def guessed_delimiter(header: bytes | str, file: AsWritten) -> str:
    """What is between the names of a first line: that by which most of them are known, or else most are cut."""
    known = {*file.form.model_fields, *(_our_name(each) for each in column_mapping(file) or ())}
    best, most = ",", (0, 1)
    for delimiter in DELIMITERS.values():
        cells = cells_of_record(header, delimiter) if isinstance(header, bytes) else None
        if isinstance(cells, list):
            ours = sum(_our_name(cell) in known for cell in cells)
            theirs = sum(column_name(cell) in LAYOUT_COLUMNS for cell in cells)
            counts = max(ours, theirs), len(cells)
            if counts > most:
                best, most = delimiter, counts
    return best


def header_cells(header: bytes | str, delimiter: str) -> list[str]:
    """The cells of the first line."""
    if b"\0" in (header if isinstance(header, bytes) else b""):
        raise UnknownColumns(Sentence("Declare the charset or save the file as UTF-8: it looks like UTF-16."))
    cells = cells_of_record(header, delimiter) if isinstance(header, bytes) and header.strip() else None
    if isinstance(cells, list):
        return cells
    raise UnknownColumns


def layout_of(header: Sequence[str], file: AsWritten) -> Layout | None:
    """The layout that the caller names, or that the columns tell; None where the columns are ours or mapped."""
    if file.form is not OrderRow:
        return None
    columns = {column_name(cell) for cell in header}
    if file.layout is not None:
        layout = LAYOUTS[LayoutName(file.layout)]
        if not is_recognised(layout, columns):
            raise UnknownColumns(errors=_missing_of(layout, columns))
        return layout
    is_ours = {_our_name(cell) for cell in header if cell.strip()} <= OrderRow.model_fields.keys()
    return None if is_ours or file.columns is not None else recognised_layout(columns)


def _missing_of(layout: Layout, columns: set[str]) -> list[FieldError]:
    """The columns of a layout that are not there, of its version that lacks the fewest."""
    best = min(([each for each in needed if each not in columns] for needed in layout.recognised_by), key=len)
    return [_error("missing_column", 0, Sentence("Add a column {name}.", name=name)) for name in best]


def columns_of(header: Sequence[str], file: AsWritten) -> tuple[str | None, ...]:
    """The field of each column, None for one that is left out."""
    mapping = column_mapping(file)
    names = [_our_name(cell) for cell in header]
    fields = [_field_of(name, mapping, file.form) for name in names]
    errors = [*_unknown(header, fields, mapping), *_doubled(header, fields), *_missing(fields, file.form)]
    if errors:
        raise UnknownColumns(_seeming_delimiter(header), errors=errors[:MOST_NAMED_COLUMNS])
    return tuple(field or None for field in fields)


def _our_name(cell: str) -> str:
    """The name of a column as those of orders are compared."""
    return " ".join(cell.split()).lower()


def column_mapping(file: AsWritten) -> dict[str, str] | None:
    """What `columns` says: a field of an order for names of columns."""
    if file.columns is None:
        return None
    try:
        mapping = strict_json(file.columns)
    except (ValueError, RecursionError):
        mapping = None
    if not isinstance(mapping, dict) or not all(isinstance(field, str) for field in mapping.values()):
        raise _wrong_mapping(Sentence('Give a JSON object of columns and fields, such as {"Their name": "order_id"}.'))
    unknown = [field for field in mapping.values() if field not in file.form.model_fields]
    if unknown:
        raise _wrong_mapping(
            Sentence("Give fields that a row has: {fields} are none.", fields=", ".join(map(_shown, unknown)))
        )
    return {_our_name(name): field for name, field in mapping.items()}


def _wrong_mapping(detail: Sentence) -> InvalidRequest:
    error: FieldError = {"in": "query", "pointer": "#/columns", "code": "invalid_columns", "detail": detail}
    return InvalidRequest(errors=[error])


def _field_of(name: str, mapping: dict[str, str] | None, form: type[Strict]) -> str | None:
    """The field of a column; "" where it has none and need not have one, None where it should."""
    if mapping is not None and name in mapping:
        return mapping[name]
    if name in form.model_fields:
        return name
    return "" if mapping is not None or not name else None


def _unknown(header: Sequence[str], fields: Sequence[str | None], mapping: dict[str, str] | None) -> list[FieldError]:
    unknown = [
        _error(
            "unknown_column",
            place,
            Sentence(
                "Rename or leave out column {place}: its rows have no field {name}.", place=place, name=_shown(cell)
            ),
        )
        for place, (cell, field) in enumerate(zip(header, fields, strict=True), 1)
        if field is None
    ]
    names = {_our_name(cell) for cell in header}
    return unknown + [
        _error("missing_column", 0, Sentence("Add a column {name}.", name=_shown(name)))
        for name in mapping or ()
        if name not in names
    ]


def _doubled(header: Sequence[str], fields: Sequence[str | None]) -> list[FieldError]:
    counts = Counter(field for field in fields if field)
    return [
        _error(
            "doubled_column",
            place,
            Sentence(
                "Rename or leave out column {place}: there is another column {name}.", place=place, name=_shown(cell)
            ),
        )
        for place, (cell, field) in enumerate(zip(header, fields, strict=True), 1)
        if field and counts[field] > 1 and field in fields[: place - 1]
    ]


def _missing(fields: Sequence[str | None], form: type[Strict]) -> list[FieldError]:
    return [
        _error("missing_column", 0, Sentence("Add a column {name}.", name=name))
        for name, field in form.model_fields.items()
        if field.is_required() and name not in fields
    ]


def _error(code: str, place: int, detail: Sentence) -> FieldError:
    return {"in": "body", "pointer": f"#/{place}" if place else "#/", "code": code, "detail": detail}


def _shown(name: str) -> str:
    """A name of a column in a sentence."""
    return NOT_SHOWN.sub("?", name)[:LONGEST_NAME]


def _seeming_delimiter(header: Sequence[str]) -> Sentence | None:
    """What a first line that is one cell seems to be cut by."""
    if len(header) == 1:
        for name, delimiter in DELIMITERS.items():
            if len(grammar_of(delimiter).cells_of(header[0])) > 1:
                return Sentence("Give another delimiter: the separator seems to be {delimiter}.", delimiter=name)
    return None
