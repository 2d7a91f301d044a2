"""Answering once: a request that is repeated with its Idempotency-Key gets the answer of the first one.

The key, the work and the answer are stored in one transaction, so that a crash leaves all of it or nothing. A request
that ended with a problem has stored nothing and can be tried again with the same key.
"""

import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, NamedTuple

from fastapi import Header, Response
from pydantic import BaseModel
from sqlalchemy import text

from app.database.errors import instead_of_waiting
from app.database.pools import Connection
from app.database.rows import change_rows, one_row
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


class Secret(NamedTuple):
    """A field of the answer that is not stored: a repeated request finds the value anew."""

    field: str
    value: str


async def answer_once(
    conn: Connection,
    account_id: int,
    operation: str,
    key: str | None,
    asked: BaseModel,
    now: datetime,
    work: Callable[[], Awaitable[Done]],
    *,
    secret: Secret | None = None,
) -> Response:
    """Do the work and return its answer, or return the stored answer of the first request with this key.

    A `secret` belongs to what is asked: with another one a repeated request is another request.
    """
    if key is None:
        return _response(await work(), secret)
    known = {"account_id": account_id, "operation": operation, "key": unquoted(key)}
    asked_for = asked.model_dump_json(exclude_defaults=True) + (secret.value if secret else "")
    fingerprint = hashlib.sha256(asked_for.encode()).digest()
    await conn.execute(LIMIT_LOCK_WAIT)
    times = {"now": now, "expired": now - KEPT}
    with instead_of_waiting(RequestInProgress()):
        begun = (await conn.execute(CLAIM_IDEMPOTENCY_KEY, known | times | {"fingerprint": fingerprint})).one_or_none()
    if begun is None:
        return _repeated(fingerprint, await one_row(conn, SELECT_FIRST_ANSWER, known, FirstAnswer), secret)
    done = await work()
    kept = {"status": done.status, "location": done.location, "answer": _without(secret, done.body)}
    await change_rows(conn, SET_ANSWER, known | kept)
    return _response(done, secret)


def unquoted(key: str) -> str:
    """The key without quotes around it: `"abc"` and `abc` are the same key."""
    return key[1:-1] if key.startswith('"') else key


def _without(secret: Secret | None, body: BaseModel) -> str:
    return body.model_dump_json(exclude={secret.field} if secret else None)


def _with(secret: Secret | None, answer: str) -> str:
    return f"{answer[:-1]},{json.dumps(secret.field)}:{json.dumps(secret.value)}}}" if secret else answer


def _response(done: Done, secret: Secret | None) -> Response:
    headers = {"Location": done.location} if done.location else {}
    return Response(_with(secret, _without(secret, done.body)), done.status, headers, "application/json")


def _repeated(fingerprint: bytes, first: FirstAnswer, secret: Secret | None) -> Response:
    if first.fingerprint != fingerprint:
        raise IdempotencyKeyReused
    headers = {"Idempotent-Replayed": "true"} | ({"Location": first.location} if first.location else {})
    return Response(_with(secret, first.answer or "{}"), first.status, headers, "application/json")
