"""Hooks of Schemathesis: how it writes NDJSON and workbooks."""

import json
from typing import Any

import schemathesis


@schemathesis.serializer("application/x-ndjson")
def one_line(_context: Any, value: Any) -> bytes:
    """A JSON value a line."""
    return value if isinstance(value, bytes) else json.dumps(value).encode()


@schemathesis.serializer("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")
def as_it_is(_context: Any, value: Any) -> bytes:
    """What is no workbook, so that it is refused: a schema cannot say what a workbook is."""
    return value if isinstance(value, bytes) else str(value).encode()
