"""Driver: hot reads and bulk writes that go past SQLAlchemy to asyncpg."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import asyncpg
from sqlalchemy import Dialect, TextClause
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection

from app.database.rows import Shape, Shaped, check_columns

DRIVER_DIALECT: Dialect = PGDialect_asyncpg()  # type: ignore[no-untyped-call]


async def hot_rows(
    conn: AsyncConnection, statement: TextClause, bound: Mapping[str, Any], shape: Shape[Shaped]
) -> list[Shaped]:
    """The rows of a hot read, fetched through asyncpg because SQLAlchemy's overhead would exceed the query time.

    In a transaction it cannot come first: SQLAlchemy begins one with the first statement that goes through it.
    """
    records = await _fetch(conn, statement, bound)
    if records:
        check_columns(tuple(records[0].keys()), shape)
    return [shape(*record) for record in records]


async def _fetch(conn: AsyncConnection, statement: TextClause, bound: Mapping[str, Any]) -> list[asyncpg.Record]:
    """Run the statement on the driver's connection; listeners of the engine's events are still called."""
    sql, names = driver_form(statement)
    arguments = [bound[name] for name in names]
    sync = conn.sync_connection
    if sync is None:
        raise RuntimeError("the connection is closed")
    for listener in sync.dispatch.before_cursor_execute:
        listener(sync, None, sql, arguments, None, False)  # noqa: FBT003 - SQLAlchemy's signature
    driver: Any = sync.connection.driver_connection
    try:
        records: list[asyncpg.Record] = await driver.fetch(sql, *arguments)
    except Exception:
        if driver.is_closed():
            await conn.invalidate()
        raise
    return records


async def first_hot_row(
    conn: AsyncConnection, statement: TextClause, bound: Mapping[str, Any], shape: Shape[Shaped]
) -> Shaped | None:
    """The only row of a hot read, or None when there is none."""
    rows = await hot_rows(conn, statement, bound, shape)
    return rows[0] if rows else None


async def execute_hot(conn: AsyncConnection, statement: TextClause, bound: Mapping[str, Any]) -> None:
    """Run a hot statement whose rows nobody needs."""
    await _fetch(conn, statement, bound)


async def copy_rows(
    conn: AsyncConnection, table: str, columns: Sequence[str], rows: Iterable[Sequence[object]]
) -> None:
    """Add many rows that are known to be new: COPY takes half of what an INSERT of the same rows does."""
    sync = conn.sync_connection
    if sync is None:
        raise RuntimeError("the connection is closed")
    driver: Any = sync.connection.driver_connection
    await driver.copy_records_to_table(table, records=rows, columns=columns)


@cache
def driver_form(statement: TextClause) -> tuple[str, tuple[str, ...]]:
    compiled = statement.compile(dialect=DRIVER_DIALECT)
    return str(compiled), tuple(compiled.positiontup or ())
