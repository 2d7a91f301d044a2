"""Rows: the answers of statements, each row in the shape that its reader expects.

A shape is a `NamedTuple` or a frozen dataclass. Its fields are the columns of the statement,
in the same order; a statement and a shape that differ are a bug and raise TypeError.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import cache
from typing import Any, TypeVar

from sqlalchemy import TextClause
from sqlalchemy.ext.asyncio import AsyncConnection

Shaped = TypeVar("Shaped")
Shape = Callable[..., Shaped]


async def all_rows(
    conn: AsyncConnection, statement: TextClause, bound: Mapping[str, Any], shape: Shape[Shaped]
) -> list[Shaped]:
    """All rows of the answer."""
    answer = await conn.execute(statement, bound)
    check_columns(tuple(answer.keys()), shape)
    return [shape(*row) for row in answer]


async def first_row(
    conn: AsyncConnection, statement: TextClause, bound: Mapping[str, Any], shape: Shape[Shaped]
) -> Shaped | None:
    """The only row of the answer, or None when there is none."""
    rows = await all_rows(conn, statement, bound, shape)
    return rows[0] if rows else None


async def one_row(
    conn: AsyncConnection, statement: TextClause, bound: Mapping[str, Any], shape: Shape[Shaped]
) -> Shaped:
    """The only row of the answer; LookupError when there is none."""
    row = await first_row(conn, statement, bound, shape)
    if row is None:
        raise LookupError("the statement returned no row")
    return row


async def change_rows(conn: AsyncConnection, statement: TextClause, bound: Mapping[str, Any], rows: int = 1) -> None:
    """Run a statement that must change a number of rows; LookupError, which ends the transaction, when it did not."""
    changed = (await conn.execute(statement, bound)).rowcount
    if changed != rows:
        raise LookupError(f"the statement changed {changed} rows instead of {rows}")


@cache
def check_columns(columns: tuple[str, ...], shape: Shape[Any]) -> None:
    """Raise TypeError unless the columns are the fields of the shape."""
    expected: tuple[str, ...] = getattr(shape, "_fields", ()) or tuple(field.name for field in fields(shape))  # type: ignore[arg-type]
    if columns != expected:
        raise TypeError(f"{getattr(shape, '__name__', shape)} has the fields {expected}, the statement {columns}")
