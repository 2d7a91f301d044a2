"""Errors: what a client and an operator are told when PostgreSQL fails."""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.problems import InternalError, Problem, ServiceUnavailable, answer, log

BUSY_SQLSTATES = frozenset({"40001", "40P01", "55P03", "57014", "25006", "25P04"})
"""Serialization, deadlock, timeout of lock, statement or transaction, a server in read-only mode."""

GONE_CLASSES = frozenset({"08", "28", "3D", "53", "57"})
"""The connection broke, was refused, its database is away, disk or memory is full, or an operator ended it."""

LOCK_TIMEOUT_SQLSTATE = "55P03"

DISK_FULL_SQLSTATE = "53100"

NOT_MIGRATED_SQLSTATES = frozenset({"42P01", "42703", "42704"})
"""A table, column or type that is not there."""


ERRORS = (
    *(DBAPIError, PoolTimeout, OSError),
    *(asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError),
)
"""Errors of statements and connections; while it connects, SQLAlchemy lets the driver's own errors through."""


def sqlstate_of(error: BaseException) -> str:
    """The SQLSTATE of an error of the database, else empty."""
    return getattr(getattr(error, "orig", error), "sqlstate", None) or ""


def problem_of(error: Exception) -> Problem:
    """The problem that a client gets for an error of the database; it repeats nothing of the error's text."""
    sqlstate = sqlstate_of(error)
    cannot_connect = isinstance(error, (PoolTimeout, OSError, asyncpg.InterfaceError, asyncpg.InternalClientError))
    gone = cannot_connect or getattr(error, "connection_invalidated", False)
    if gone or sqlstate in BUSY_SQLSTATES or sqlstate[:2] in GONE_CLASSES:
        return ServiceUnavailable()
    return InternalError()


@contextmanager
def instead_of_waiting(problem: Problem) -> Iterator[None]:
    """Raise the problem when a statement inside has waited too long for the lock of another transaction."""
    try:
        yield
    except DBAPIError as error:
        if sqlstate_of(error) == LOCK_TIMEOUT_SQLSTATE:
            raise problem from None
        raise


def operator_line(error: Exception) -> str:
    """An error of the database as one line for an operator, without the values of a statement."""
    sqlstate = sqlstate_of(error)
    if sqlstate in NOT_MIGRATED_SQLSTATES:
        return "the database is not migrated: run `python -m app migrate`"
    if isinstance(error, DBAPIError):
        problem = problem_of(error)
        sentence = "PostgreSQL refused a statement" if isinstance(problem, InternalError) else str(problem.detail)
        return f"{sentence} ({type(error.orig).__name__}, {sqlstate or 'no SQLSTATE'})"
    return f"{error}".partition("\n")[0] or type(error).__name__


def install_error_handlers(app: FastAPI) -> None:
    """Answer errors of the database with problems."""

    async def on_error(request: Request, error: Exception) -> JSONResponse:
        problem = problem_of(error)
        log.error("database", kind=type(error).__name__, sqlstate=sqlstate_of(error), code=problem.code())
        return answer(request, problem)

    for kind in ERRORS:
        app.add_exception_handler(kind, on_error)
