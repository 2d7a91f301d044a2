"""Answering once: a request that is repeated with its Idempotency-Key gets the answer of the first one.

The key is taken, the work done and the answer kept in one transaction, so that a crash
leaves either all or nothing of it. Only what has committed is repeated: a problem keeps nothing.
"""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import Header, Response
from pydantic import BaseModel

from app.accounts import repeats
from app.accounts.access import KEY_HEADER, Caller
from app.database.errors import instead_of_waiting
from app.database.pools import Connection
from app.problems import Problem

REMEMBERED = timedelta(hours=24)
KEY_PATTERN = r'^(?:[!#-~][!-~]{0,254}|"[!-~]{1,255}")$'

IdempotencyKey = Annotated[
    str,
    Header(
        alias=KEY_HEADER,
        pattern=KEY_PATTERN,
        description="names this request, for 24 hours: repeated with it, it is done once and answered the same",
        examples=["5f0c6d1e-spring-42"],
    ),
]
OptionalIdempotencyKey = Annotated[
    str | None,
    Header(
        alias=KEY_HEADER,
        pattern=KEY_PATTERN,
        description="makes it safe to repeat this request: it is done once and answered the same",
    ),
]


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
        """Tell when it is worth asking again."""
        super().__init__(headers={"Retry-After": "2"})


@dataclass(frozen=True, slots=True)
class Done:
    """What came of a request."""

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
    """Do the work and answer, or give the answer of the request that had this key before."""
    if key is None:
        return _response(await work())
    known = {"account_id": caller.account_id, "operation": operation, "key": unquoted(key)}
    fingerprint = hashlib.sha256(asked.model_dump_json(exclude_defaults=True).encode()).digest()
    await conn.execute(repeats.WAITING_BRIEFLY)
    times = {"now": now, "expired": now - REMEMBERED}
    with instead_of_waiting(RequestInProgress()):
        begun = (await conn.execute(repeats.BEGUN, known | times | {"fingerprint": fingerprint})).one_or_none()
    if begun is None:
        return _repeated(fingerprint, (await conn.execute(repeats.FIRST, known)).one())
    response = _response(await work())
    kept = {"status": response.status_code, "location": response.headers.get("location")}
    await conn.execute(repeats.ANSWERED, known | kept | {"answer": bytes(response.body).decode()})
    return response


def unquoted(key: str) -> str:
    """The key itself: bare and quoted it is the same one, but a quote in it is a part of it."""
    return key[1:-1] if key.startswith('"') else key


def _response(done: Done) -> Response:
    headers = {"Location": done.location} if done.location else {}
    return Response(done.body.model_dump_json(), done.status, headers, "application/json")


def _repeated(fingerprint: bytes, first: Any) -> Response:  # noqa: ANN401 - a row of repeats.FIRST
    if first.fingerprint != fingerprint:
        raise IdempotencyKeyReused
    headers = {"Idempotent-Replayed": "true"} | ({"Location": first.location} if first.location else {})
    return Response(first.answer, first.status, headers, "application/json")
