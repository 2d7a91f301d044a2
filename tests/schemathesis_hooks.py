"""Hooks of Schemathesis: how it writes NDJSON and workbooks."""

import json
import os
from typing import Any

import schemathesis

REAL_IDS = json.loads(os.environ.get("REAL_IDS", "{}"))
"""Ids that exist, by those of the document's examples, which no store has."""


@schemathesis.hook
def before_load_schema(_context: Any, raw_schema: dict[str, Any]) -> None:
    """Ask for what exists where an example names it."""
    text = json.dumps(raw_schema)
    for example, real in REAL_IDS.items():
        text = text.replace(example, real)
    raw_schema.update(json.loads(text))


@schemathesis.serializer("application/x-ndjson")
def one_line(_context: Any, value: Any) -> bytes:
    """A JSON value a line."""
    return value if isinstance(value, bytes) else json.dumps(value).encode()


@schemathesis.serializer("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")
def as_it_is(_context: Any, value: Any) -> bytes:
    """What is no workbook, so that it is refused: a schema cannot say what a workbook is."""
    return value if isinstance(value, bytes) else str(value).encode()
