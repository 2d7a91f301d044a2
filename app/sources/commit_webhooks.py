"""Committing webhooks: those that arrive while others are being committed are committed together.

A webhook is answered once the transaction that holds it is committed. The first one does not wait for others; what
arrives meanwhile makes the next batch of its account. A batch goes in the order of the identities, so that two
processes that are sent the same webhooks never wait for each other.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import asyncpg

from app.boards.source import UnknownSource
from app.database.pools import Database
from app.sources.inbox_statements import INSERT_DELIVERIES

COMMITTED_AT_ONCE = 100
COMMITTED_BYTES = 8 * 1024 * 1024


class NewDelivery(NamedTuple):
    """A webhook to be stored; `content` is encrypted. Fields are in the order of the statement's arrays."""

    identity: bytes
    source_id: int
    topic: str
    content: bytes
    received_at: datetime


PendingCommit = tuple[NewDelivery, "asyncio.Future[None]"]


class WebhookCommits:
    """The webhooks of one process that wait for their commit, by account."""

    def __init__(self) -> None:
        """Nothing waits yet."""
        self._waiting: dict[int, list[PendingCommit]] = {}
        self._under_way = set[asyncio.Task[None]]()

    async def commit(self, database: Database, account_id: int, delivery: NewDelivery) -> None:
        """Store a webhook once; UnknownSource where its source was deleted a moment ago."""
        committed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = self._waiting.get(account_id)
        if waiting is not None:
            waiting.append((delivery, committed))
        else:
            self._waiting[account_id] = [(delivery, committed)]
            task = asyncio.create_task(self._commit_all(database, account_id))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
        await committed

    async def _commit_all(self, database: Database, account_id: int) -> None:
        waiting = self._waiting[account_id]
        try:
            while waiting:
                batch = _batch_of(waiting)
                del waiting[: len(batch)]
                await _commit_batch(database, account_id, batch)
        finally:
            del self._waiting[account_id]
            for _, committed in waiting:  # only when the process ends
                committed.cancel()


def _batch_of(waiting: Sequence[PendingCommit]) -> list[PendingCommit]:
    """The first ones, as many as are committed together, and one at least."""
    batch: list[PendingCommit] = []
    size = 0
    for each in waiting[:COMMITTED_AT_ONCE]:
        size += len(each[0].content)
        if batch and size > COMMITTED_BYTES:
            break
        batch.append(each)
    return batch


async def _commit_batch(database: Database, account_id: int, batch: Sequence[PendingCommit]) -> None:
    """Commit webhooks together; where a source was deleted, each by itself, for the others must not suffer."""
    failure: Exception | None = None
    try:
        await _insert(database, account_id, [delivery for delivery, _ in batch])
    except asyncpg.ForeignKeyViolationError:
        if len(batch) > 1:
            for each in batch:
                await _commit_batch(database, account_id, [each])
            return
        failure = UnknownSource()
    except Exception as error:  # noqa: BLE001 - whatever it is, each request answers it
        failure = error
    for _, committed in batch:
        if committed.done():  # its client has left
            continue
        if failure is None:
            committed.set_result(None)
        else:
            committed.set_exception(failure)


async def _insert(database: Database, account_id: int, deliveries: Sequence[NewDelivery]) -> None:
    columns = zip(*sorted(deliveries), strict=True)
    identities, source_ids, topics, contents, moments = map(list, columns)
    bound = {"identities": identities, "source_ids": source_ids, "topics": topics, "contents": contents}
    await database.write_once(INSERT_DELIVERIES, bound | {"account_id": account_id, "moments": moments})
