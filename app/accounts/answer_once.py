"""Answering once: a request that is repeated with its Idempotency-Key gets the answer of the first one.

The key, the work and the answer are stored in one transaction, so that a crash leaves all of it or nothing. A request
that ended with a problem has stored nothing and can be tried again with the same key.
"""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, NamedTuple

from fastapi import Header, Response
from pydantic import BaseModel
from sqlalchemy import text

from app.accounts.access import Caller
from app.database.errors import instead_of_waiting
from app.database.pools import Connection
from app.database.rows import one_row
from app.problems import Problem

KEY_HEADER = "Idempotency-Key"
KEPT = timedelta(hours=24)
KEY_PATTERN = r'^(?:[!#-~][!-~]{0,254}|"[!-~]{1,255}")$'

IdempotencyKey = Annotated[
    str,
    Header(
        alias=KEY_HEADER,
        pattern=KEY_PATTERN,
        description="your own name for this request: a repeat within 24 hours gets the first answer again",
        examples=["5f0c6d1e-spring-42"],
    ),
]
OptionalIdempotencyKey = Annotated[
    str | None,
    Header(
        alias=KEY_HEADER,
        pattern=KEY_PATTERN,
        description="makes this request safe to repeat: a repeat with the same key gets the first answer again",
    ),
]


class IdempotencyKeyRequired(Problem):
    """Send an `Idempotency-Key` header: any text that is new for each request and the same when you repeat it."""

    slug = "idempotency-key-required"
    title = "An idempotency key is needed"
    status = 400


class IdempotencyKeyReused(Problem):
    """This Idempotency-Key was used for another request; take a new key for each new request."""

    slug = "idempotency-key-reused"
    title = "The idempotency key is taken"
    status = 422


class RequestInProgress(Problem):
    """The first request with this Idempotency-Key is still running; repeat yours to get its answer."""

    slug = "request-in-progress"
    title = "Still being done"
    status = 409

    def __init__(self) -> None:
        """Add the `Retry-After` header."""
        super().__init__(headers={"Retry-After": "2"})


LIMIT_LOCK_WAIT = text("SET LOCAL lock_timeout = '1s'")
"""How long a repeated request waits for the first one before it is answered 409, for the rest of the transaction."""

CLAIM_IDEMPOTENCY_KEY = text("""
    INSERT INTO idempotency_keys AS k (account_id, operation, key, fingerprint, created_at)
    VALUES (:account_id, :operation, :key, :fingerprint, :now)
    ON CONFLICT (account_id, operation, key) DO UPDATE
        SET fingerprint = excluded.fingerprint, created_at = excluded.created_at
        WHERE k.created_at < :expired
    RETURNING account_id
""")
"""Returns no row when another request has the key; waits for a request that has not committed yet."""


class FirstAnswer(NamedTuple):
    """The first request with a key, and its answer."""

    fingerprint: bytes
    status: int
    location: str | None
    answer: str | None


SELECT_FIRST_ANSWER = text("""
    SELECT fingerprint, status, location, answer
    FROM idempotency_keys
    WHERE account_id = :account_id AND operation = :operation AND key = :key
""")

SET_ANSWER = text("""
    UPDATE idempotency_keys SET status = :status, location = :location, answer = :answer
    WHERE account_id = :account_id AND operation = :operation AND key = :key
""")

SELECT_ACCOUNTS_WITH_EXPIRED_KEYS = text("""
    SELECT DISTINCT account_id FROM idempotency_keys WHERE created_at < :expired
""")

DELETE_EXPIRED_KEYS = text("DELETE FROM idempotency_keys WHERE account_id = :account_id AND created_at < :expired")


@dataclass(frozen=True, slots=True)
class Done:
    """The answer of a request whose work is done."""

    body: BaseModel
    status: int = 201
    location: str | None = None


async def answer_once(
    conn: Connection,
    caller: Caller,
    operation: str,
    key: str | None,
    asked: BaseModel,
    now: datetime,
    work: Callable[[], Awaitable[Done]],
) -> Response:
    """Do the work and return its answer, or return the stored answer of the first request with this key."""
    if key is None:
        return _response(await work())
    known = {"account_id": caller.account_id, "operation": operation, "key": unquoted(key)}
    fingerprint = hashlib.sha256(asked.model_dump_json(exclude_defaults=True).encode()).digest()
    await conn.execute(LIMIT_LOCK_WAIT)
    times = {"now": now, "expired": now - KEPT}
    with instead_of_waiting(RequestInProgress()):
        begun = (await conn.execute(CLAIM_IDEMPOTENCY_KEY, known | times | {"fingerprint": fingerprint})).one_or_none()
    if begun is None:
        return _repeated(fingerprint, await one_row(conn, SELECT_FIRST_ANSWER, known, FirstAnswer))
    response = _response(await work())
    kept = {"status": response.status_code, "location": response.headers.get("location")}
    await conn.execute(SET_ANSWER, known | kept | {"answer": bytes(response.body).decode()})
    return response


def unquoted(key: str) -> str:
    """The key without quotes around it: `"abc"` and `abc` are the same key."""
    return key[1:-1] if key.startswith('"') else key


def _response(done: Done) -> Response:
    headers = {"Location": done.location} if done.location else {}
    return Response(done.body.model_dump_json(), done.status, headers, "application/json")


def _repeated(fingerprint: bytes, first: FirstAnswer) -> Response:
    if first.fingerprint != fingerprint:
        raise IdempotencyKeyReused
    headers = {"Idempotent-Replayed": "true"} | ({"Location": first.location} if first.location else {})
    return Response(first.answer, first.status, headers, "application/json")
