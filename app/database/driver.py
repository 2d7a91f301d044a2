"""Driver: hot reads and bulk writes that go past SQLAlchemy to asyncpg."""

from collections import namedtuple
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Dialect, TextClause
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection

from app.database.rows import Row, Shape, check_columns

DRIVER_DIALECT: Dialect = PGDialect_asyncpg()  # type: ignore[no-untyped-call]


async def all_rows(conn: AsyncConnection, statement: TextClause, bound: Mapping[str, Any]) -> list[Any]:
    """The rows of a hot read, asked of the driver itself: SQLAlchemy's part would cost more than PostgreSQL's.

    Columns are attributes, as those of SQLAlchemy's rows are. Whoever listens to the engine's
    statements is told of this one too.
    """
    sql, names = _driver_form(statement)
    arguments = [bound[name] for name in names]
    sync = conn.sync_connection
    if sync is None:
        raise RuntimeError("the connection is closed")
    for listener in sync.dispatch.before_cursor_execute:
        listener(sync, None, sql, arguments, None, False)  # noqa: FBT003 - SQLAlchemy's signature
    driver: Any = sync.connection.driver_connection
    try:
        records = await driver.fetch(sql, *arguments)
    except Exception:
        if driver.is_closed():
            await conn.invalidate()
        raise
    return [*map(_row_class(tuple(records[0].keys()))._make, records)] if records else []


async def first_row(conn: AsyncConnection, statement: TextClause, bound: Mapping[str, Any]) -> Any:  # noqa: ANN401 - a row, or nothing
    """The row of a hot read that gives one or none."""
    rows = await all_rows(conn, statement, bound)
    return rows[0] if rows else None


async def hot_rows(
    conn: AsyncConnection, statement: TextClause, bound: Mapping[str, Any], shape: Shape[Row]
) -> list[Row]:
    """The rows of a hot read, fetched through asyncpg because SQLAlchemy's overhead would exceed the query time.

    Listeners of the engine's events are still called.
    """
    sql, names = _driver_form(statement)
    arguments = [bound[name] for name in names]
    sync = conn.sync_connection
    if sync is None:
        raise RuntimeError("the connection is closed")
    for listener in sync.dispatch.before_cursor_execute:
        listener(sync, None, sql, arguments, None, False)  # noqa: FBT003 - SQLAlchemy's signature
    driver: Any = sync.connection.driver_connection
    try:
        records = await driver.fetch(sql, *arguments)
    except Exception:
        if driver.is_closed():
            await conn.invalidate()
        raise
    if records:
        check_columns(tuple(records[0].keys()), shape)
    return [shape(*record) for record in records]


async def first_hot_row(
    conn: AsyncConnection, statement: TextClause, bound: Mapping[str, Any], shape: Shape[Row]
) -> Row | None:
    """The only row of a hot read, or None when there is none."""
    rows = await hot_rows(conn, statement, bound, shape)
    return rows[0] if rows else None


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
def _driver_form(statement: TextClause) -> tuple[str, tuple[str, ...]]:
    compiled = statement.compile(dialect=DRIVER_DIALECT)
    return str(compiled), tuple(compiled.positiontup or ())


@cache
def _row_class(columns: tuple[str, ...]) -> Any:  # noqa: ANN401 - named tuples of some columns
    return namedtuple("Row", columns)  # noqa: PYI024 - its fields are not known before
