"""Uploads: an import's request becomes a file of orders, whether it is the body or a part of a form."""

from typing import Any, TypeVar

from fastapi import Request
from pydantic import ValidationError
from python_multipart.multipart import parse_options_header

from app.orders.file_options import FileHome, FileOptions
from app.orders.multipart import form_file
from app.orders.order_file import OrderFile
from app.problems import InvalidRequest, UnsupportedMediaType, invalid_fields
from app.vocabulary import FileFormat
from app.words import Sentence

FORM = "multipart/form-data"
WORKBOOK = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
FORMATS: dict[str, FileFormat | None] = {
    "text/csv": FileFormat.CSV,
    "application/x-ndjson": FileFormat.NDJSON,
    WORKBOOK: FileFormat.XLSX,
    **dict.fromkeys(("text/x-csv", "application/csv", "application/x-csv"), FileFormat.CSV),
    **dict.fromkeys(("text/comma-separated-values", "text/x-comma-separated-values"), FileFormat.CSV),
    **dict.fromkeys(("text/tab-separated-values", "application/vnd.ms-excel", "text/plain"), FileFormat.CSV),
    **dict.fromkeys(("application/ndjson", "application/jsonl", "application/x-jsonlines"), FileFormat.NDJSON),
    "application/octet-stream": None,
}
"""The media types that browsers and tools give to files; a file of none in particular is told by its first bytes."""
ENCODINGS = {"": False, "identity": False, "gzip": True, "x-gzip": True}
TAKEN = Sentence(
    "Send text/csv, application/x-ndjson or an .xlsx workbook, plain or as gzip, or a form with such a file."
)


def documented_upload(options: type[FileOptions], table: str, line: str) -> dict[str, Any]:
    """The OpenAPI request body of a file: a table, lines of JSON, a workbook, or a form that holds one."""
    text = {"schema": {"type": "string"}}
    fields = {"file": {"type": "string"}, **options.model_json_schema()["properties"]}
    return {
        "required": True,
        "content": {
            "text/csv": text | {"examples": {"csv": {"value": table}}},
            "application/x-ndjson": text | {"examples": {"ndjson": {"value": line}}},
            WORKBOOK: text | {"examples": {"workbook": {"value": "PK (a workbook)"}}},
            FORM: {
                "schema": {"type": "object", "required": ["file"], "properties": fields},
                "examples": {"form": {"value": {"dates": "dmy", "file": table}}},
            },
        },
    }


GivenOptions = TypeVar("GivenOptions", bound=FileOptions)


async def uploaded_file(request: Request, asked: GivenOptions, home: FileHome) -> tuple[OrderFile, GivenOptions]:
    """The file of a request, and how it is to be read: the fields of a form add to the query."""
    encoding = ENCODINGS.get(request.headers.get("content-encoding", "").strip().lower())
    if encoding is None:
        raise UnsupportedMediaType(TAKEN)
    media_type, parameters = _media_type(request.headers.get("content-type", ""))
    if media_type != FORM:
        charset = parameters.get("charset")
        written = asked.as_written()
        return OrderFile(request.stream(), _format(media_type), written, home, gzip=encoding, charset=charset), asked
    if encoding:
        raise UnsupportedMediaType(TAKEN)
    form = await form_file(parameters.get("boundary", "").encode("latin-1"), request.stream())
    options = _with_fields(asked, form.fields)
    part_type, part_parameters = _media_type(form.content_type)
    charset = part_parameters.get("charset")
    return OrderFile(form.chunks, _format(part_type), options.as_written(), home, charset=charset), options


def _format(media_type: str) -> FileFormat | None:
    if media_type not in FORMATS:
        raise UnsupportedMediaType(TAKEN)
    return FORMATS[media_type]


def _media_type(header: str) -> tuple[str, dict[str, str]]:
    media_type, parameters = parse_options_header(header)
    return media_type.decode("latin-1").strip().lower(), {
        name.decode("latin-1"): value.decode("latin-1") for name, value in parameters.items()
    }


def _with_fields(asked: GivenOptions, fields: dict[str, str]) -> GivenOptions:
    given: dict[str, Any] = asked.model_dump(exclude_unset=True)
    filled = {name: value for name, value in fields.items() if value}
    try:
        return type(asked).model_validate(given | filled)
    except ValidationError as invalid:
        errors = [{**error, "loc": ("body", *error["loc"])} for error in invalid.errors()]
        raise InvalidRequest(errors=invalid_fields(errors)) from None
