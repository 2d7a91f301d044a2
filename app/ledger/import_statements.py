"""Statements: the imports of a source and their refused rows are read back."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import text


class ImportRow(NamedTuple):
    """An import: how far it is, or how it ended."""

    id: int
    received: int
    created: int
    updated: int
    unchanged: int
    rejected: int
    started_at: datetime
    progressed_at: datetime
    finished_at: datetime | None
    ended_because: str | None
    refused_kept: int


class RefusedLine(NamedTuple):
    """A row that was not stored; `number` counts those of the import."""

    number: int
    line: int
    last_line: int
    order_id: str | None
    code: str
    detail: str


IMPORT_COLUMNS = ", ".join(ImportRow._fields)

SELECT_IMPORTS = text(f"""
    SELECT {IMPORT_COLUMNS} FROM imports
    WHERE account_id = :account_id AND source_id = :source_id AND id < :before
    ORDER BY id DESC LIMIT cast(:limit AS bigint)
""")

SELECT_IMPORT = text(f"""
    SELECT {IMPORT_COLUMNS} FROM imports
    WHERE account_id = :account_id AND source_id = :source_id AND id = :import_id
""")

SELECT_REFUSED_ROWS = text("""
    SELECT number, line, last_line, order_id, code, detail FROM refused_rows
    WHERE account_id = :account_id AND import_id = :import_id AND number > :after
    ORDER BY number LIMIT cast(:limit AS bigint)
""")
