"""Kills: whatever dies while messages are sent, none is lost, and every copy is the same message.

Workers are real processes that hand mails to a real SMTP server, which keeps each before it says so. A message that
was queued must be there; one that a dead worker had may come twice, with the same Message-ID. The checks themselves
are tested: mutants of the product, planted in the workers, must make them fail.

KILLS=1000 MESSAGES=45000 WORKERS=20 is the size for a release.
"""

import asyncio
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from conftest import Store, order
from mail_sinks import SmtpSink, Taken
from nursery import Nursery, Worker, nursery
from postal import key, set_sender, sink

KILLS = int(os.environ.get("KILLS", "60"))
MESSAGES = int(os.environ.get("MESSAGES", "1500"))
WORKERS = int(os.environ.get("WORKERS", "16"))
PEOPLE = 1_000
LEASE = 1.0


@pytest.fixture
def pool_size() -> int:
    return 3


async def until(condition: Callable[[], Awaitable[Any]], seconds: float = 60) -> None:
    """Poll until the condition holds."""
    end = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < end, "waited too long"
        await asyncio.sleep(0.02)


# ---------------------------------------------------------------- the scene


@dataclass
class Mailbag:
    """A store with customers to write to, and a look at what becomes of it."""

    store: Store
    sql: asyncpg.Connection
    people: list[str] = field(default_factory=list)

    async def known(self, people: int) -> None:
        """Customers `p0@example.test` and so on."""
        for start in range(0, people, 500):
            numbers = range(start, min(start + 500, people))
            await self.store.send(*(order(f"o{n}", f"p{n}", email=f"p{n}@example.test") for n in numbers))
        found = await self.store.api.get(
            "/customers", params={"source": self.store.source, "limit": 1000}, headers=self.store.auth
        )
        self.people = [each["id"] for each in found.json()["items"]]
        assert len(self.people) == people

    async def queue(self, messages: int) -> None:
        """So many, to one customer after the other."""
        for start in range(0, messages, len(self.people)):
            body = {
                "to": {"customers": self.people[: messages - start]},
                "subject": "Hello",
                "text": "A word.\n",
                "kind": "transactional",
            }
            answer = await self.store.api.post("/messages/batch", json=body, headers=self.store.auth | key())
            assert answer.status_code == 202, answer.text
            assert answer.json()["refused"] == 0

    async def waiting(self) -> int:
        """How many messages have not ended."""
        return int(await self.sql.fetchval("SELECT count(*) FROM messages WHERE due_at IS NOT NULL"))

    async def all_ended(self) -> bool:
        return await self.waiting() == 0

    async def rows(self) -> list[asyncpg.Record]:
        """Messages with the addresses of their customers."""
        return await self.sql.fetch(
            "SELECT m.*, c.email FROM messages AS m JOIN customers AS c ON c.id = m.customer_id ORDER BY m.id"
        )


@pytest.fixture
async def bag(open_store, sql):
    store = await open_store()
    await set_sender(store)
    return Mailbag(store, sql)


@dataclass(frozen=True)
class Toll:
    """What faults have cost."""

    lost: int
    """Marked as sent, and never taken by the server."""
    unsent: int
    """Ended in any other way."""
    again: int
    """Copies beyond the first."""
    taken_up: int
    """Times that a message was taken up after its worker had died."""
    foreign: int
    """Copies that are not one of our messages, or went to somebody else."""


async def toll(bag: Mailbag, smtp: SmtpSink) -> Toll:
    rows = await bag.rows()
    ours = {row["message_id"]: row["email"] for row in rows}
    assert len(ours) == len(rows)
    taken = smtp.taken
    copies = Counter(mail.message_id for mail in taken)
    return Toll(
        lost=sum(row["status"] == "sent" and not copies[row["message_id"]] for row in rows),
        unsent=sum(row["status"] != "sent" for row in rows),
        again=len(taken) - len(copies),
        taken_up=sum(row["crashes"] for row in rows),
        foreign=sum(ours.get(mail.message_id) != mail.recipient for mail in taken),
    )


# ---------------------------------------------------------------- kill -9


async def massacre(bag: Mailbag, yard: Nursery, kills: int, dice: random.Random) -> int:
    """Kill one of two workers again and again until all is sent; how many kills met a queue that was not empty."""
    workers = [yard.worker(), yard.worker()]
    meant = 0
    for _ in range(kills):
        await asyncio.sleep(dice.uniform(0.03, 0.25))
        meant += not await bag.all_ended()
        victim = dice.randrange(len(workers))
        workers[victim].kill()
        workers[victim] = yard.worker()
    await until(bag.all_ended, 120)
    for worker in workers:
        assert worker.stop() == 0
    return meant


KILLED_OFTEN = {"concurrency": 10, "lease_seconds": LEASE, "most_crashes": 1_000_000}


@pytest.mark.timeout(120 + KILLS * 2)
async def test_workers_killed_at_random_lose_nothing_and_no_copy_is_another_message(bag, urls, tmp_path):
    await bag.known(min(PEOPLE, MESSAGES))
    await bag.queue(MESSAGES)

    begun = time.monotonic()
    with (
        sink(tmp_path, answer_delay_seconds=0.004, keep_content=False) as smtp,
        nursery(tmp_path, urls, smtp.url, **KILLED_OFTEN) as yard,
    ):
        meant = await massacre(bag, yard, KILLS, random.Random(7))
        cost = await toll(bag, smtp)
    print(f"{KILLS} kills, {meant} while sending, {time.monotonic() - begun:.0f} s: {cost}")  # noqa: T201

    assert (cost.lost, cost.unsent, cost.foreign) == (0, 0, 0)
    assert cost.again <= cost.taken_up
    assert cost.taken_up > 0, "no kill met a message that was being sent"
    assert await bag.sql.fetchval("SELECT max(attempts) FROM messages") == 1
    assert yard.complaints() == []
