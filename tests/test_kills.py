"""Kills: whatever dies while messages are sent, none is lost, and every copy is the same message.

Workers are real processes that hand mails to a real SMTP server, which keeps each before it says so. A message that
was queued must be there; one that a dead worker had may come twice, with the same Message-ID. The checks themselves
are tested: mutants of the product, planted in the workers, must make them fail.

KILLS=1000 MESSAGES=45000 WORKERS=20 is the size for a release.
"""

import asyncio
import contextlib
import itertools
import os
import random
import signal
import socket
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from conftest import wait_until
from mail_sinks import SmtpSink, Taken
from nursery import POISONED, Nursery, nursery
from postal import SENDER, SITE, deliver, key, set_sender, sink
from processes import Shop, postgres_of, running
from shop import Store, order

from app.messages.sending.claim_messages import SendingLimits
from app.wire.instants import now_in_utc

KILLS = int(os.environ.get("KILLS", "60"))
MESSAGES = int(os.environ.get("MESSAGES", "1500"))
WORKERS = int(os.environ.get("WORKERS", "16"))
PEOPLE = 1_000
LEASE = 1.0

pytestmark = pytest.mark.slow


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

    async def queue(self, messages: int, kind: str = "transactional") -> None:
        """So many, to one customer after the other."""
        for start in range(0, messages, len(self.people)):
            body = {
                "to": {"customers": self.people[: messages - start]},
                "subject": "Hello",
                "text": "A word.\n",
                "kind": kind,
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
    untold: int = 0
    """Messages that came more than once and do not say that they may have."""


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
        untold=sum(copies[row["message_id"]] > 1 and not row["maybe_duplicate"] for row in rows),
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


SLOW = {"rcpt_delay_seconds": 0.05, "answer_delay_seconds": 0.01, "keep_content": False}
"""A server so slow that a worker in work has mails under way, before and after they are taken, and that the queue
outlasts the kills: what a kill meets must not hang on how fast the machine is."""
KILLED_OFTEN = {"concurrency": 10, "lease_seconds": LEASE, "most_crashes": 1_000_000}


@pytest.mark.timeout(120 + KILLS * 2)
async def test_workers_killed_at_random_lose_nothing_and_no_copy_is_another_message(bag, urls, tmp_path):
    await bag.known(min(PEOPLE, MESSAGES))
    await bag.queue(MESSAGES)

    begun = time.monotonic()
    with (
        sink(tmp_path, **SLOW) as smtp,
        nursery(tmp_path, urls, smtp.url, **KILLED_OFTEN) as yard,
    ):
        meant = await massacre(bag, yard, KILLS, random.Random(7))
        cost = await toll(bag, smtp)
    print(f"{KILLS} kills, {meant} while sending, {time.monotonic() - begun:.0f} s: {cost}")  # noqa: T201

    assert (cost.lost, cost.unsent, cost.foreign, cost.untold) == (0, 0, 0, 0)
    assert cost.again <= cost.taken_up
    assert cost.taken_up > 0, "no kill met a message that was being sent"
    assert await bag.sql.fetchval("SELECT max(attempts) FROM messages") == 1
    assert yard.complaints() == []


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("mutant", "seen"),
    [
        ("mark_sent_before_sending", lambda cost: cost.lost > 0),
        ("write_a_new_message_id_each_time", lambda cost: cost.foreign > 0),
    ],
)
async def test_the_checks_see_what_a_worse_worker_would_lose_or_make_up(bag, urls, tmp_path, mutant, seen):
    await bag.known(300)
    await bag.queue(600)

    with (
        sink(tmp_path, **SLOW) as smtp,
        nursery(tmp_path, urls, smtp.url, **KILLED_OFTEN) as yard,
    ):
        await massacre(bag, yard.but(mutant=mutant), 15, random.Random(11))
        cost = await toll(bag, smtp)
    print(f"{mutant}: {cost}")  # noqa: T201

    assert seen(cost), cost


# ---------------------------------------------------------------- many workers


@pytest.mark.timeout(120 + MESSAGES // 10)
async def test_many_workers_on_one_queue_send_each_message_once(bag, urls, tmp_path):
    await bag.known(min(PEOPLE, MESSAGES))

    with (
        sink(tmp_path, answer_delay_seconds=0.004, keep_content=False) as smtp,
        nursery(tmp_path, urls, smtp.url, concurrency=10) as yard,
    ):
        workers = [yard.worker() for _ in range(WORKERS)]
        await bag.queue(MESSAGES)
        await until(bag.all_ended, 60 + MESSAGES / 20)
        codes = [worker.stop() for worker in workers]
        cost = await toll(bag, smtp)
        connections = len({mail.connection for mail in smtp.taken})
    print(f"{WORKERS} workers, {MESSAGES} messages, {connections} connections: {cost}")  # noqa: T201

    assert cost == Toll(lost=0, unsent=0, again=0, taken_up=0, foreign=0)
    assert codes == [0] * WORKERS
    assert yard.complaints() == []
    assert await bag.sql.fetchval("SELECT count(*) FROM message_attempts") == MESSAGES
    assert await bag.sql.fetchval("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == 0


# ---------------------------------------------------------------- stopped, slow, told to end


async def taken_by(smtp: SmtpSink, number: int) -> bool:
    return len(smtp.taken) >= number


async def stalled_and_woken(bag: Mailbag, yard: Nursery, smtp: SmtpSink) -> dict[str, Any]:
    """A worker stands still while the server has its mail; another one is told no; the first wakes up to a yes."""
    await bag.known(2)
    sleeper = yard.worker()
    await bag.queue(1)
    await until(lambda: taken_by(smtp, 1))
    sleeper.signal(signal.SIGSTOP)
    await asyncio.sleep(3 * LEASE)
    other = yard.worker()
    await until(bag.all_ended)
    assert other.stop() == 0
    before = dict((await bag.rows())[0])
    sleeper.signal(signal.SIGCONT)
    bag.people.reverse()
    await bag.queue(1)  # once this one is settled, so is all that the sleeper had before
    await until(bag.all_ended)
    assert sleeper.stop() == 0
    after = dict((await bag.rows())[0])
    return {"before": before, "changed": {name for name in before if before[name] != after[name]}}


REFUSED_LATER = {"p0@example.test": ["250", "data 554 5.7.1 no"]}


async def test_a_worker_that_stood_still_changes_nothing_of_what_another_has_settled(bag, urls, tmp_path):
    with (
        sink(tmp_path, REFUSED_LATER, answer_delay_seconds=LEASE) as smtp,
        nursery(tmp_path, urls, smtp.url, lease_seconds=LEASE) as yard,
    ):
        seen = await stalled_and_woken(bag, yard, smtp)

    assert (seen["before"]["status"], seen["before"]["attempts"], seen["before"]["crashes"]) == ("failed", 1, 1)
    assert seen["changed"] == set()
    assert [mail.recipient for mail in smtp.taken] == ["p0@example.test", "p1@example.test"]
    attempts = await bag.sql.fetch("SELECT outcome FROM message_attempts ORDER BY id")
    assert [row["outcome"] for row in attempts] == ["refused", "accepted"]
    assert yard.complaints() == []


async def test_without_the_lease_in_its_condition_that_worker_would_overwrite_the_result(bag, urls, tmp_path):
    with (
        sink(tmp_path, REFUSED_LATER, answer_delay_seconds=LEASE) as smtp,
        nursery(tmp_path, urls, smtp.url, lease_seconds=LEASE) as yard,
    ):
        seen = await stalled_and_woken(bag, yard.but(mutant="settle_without_the_lease"), smtp)

    assert "status" in seen["changed"]


async def test_a_worker_that_stood_still_alone_goes_on_with_its_mail_and_sends_it_once(bag, urls, tmp_path):
    await bag.known(20)

    with (
        sink(tmp_path, answer_delay_seconds=4 * LEASE) as smtp,
        nursery(tmp_path, urls, smtp.url, lease_seconds=LEASE) as yard,
    ):
        worker = yard.worker()
        await bag.queue(10)
        await until(lambda: taken_by(smtp, 10))
        worker.signal(signal.SIGSTOP)
        await asyncio.sleep(2 * LEASE)
        worker.signal(signal.SIGCONT)
        await until(bag.all_ended)
        assert worker.stop() == 0
        cost = await toll(bag, smtp)

    assert cost == Toll(lost=0, unsent=0, again=0, taken_up=0, foreign=0)


async def sent_slowly(bag: Mailbag, yard: Nursery, smtp: SmtpSink) -> Toll:
    """Two workers and a server that takes five leases to answer."""
    await bag.known(10)
    await bag.queue(10)
    workers = [yard.worker(), yard.worker()]
    await until(bag.all_ended)
    for worker in workers:
        assert worker.stop() == 0
    return await toll(bag, smtp)


async def test_a_mail_that_takes_five_leases_is_sent_once(bag, urls, tmp_path):
    lease = 2 * LEASE  # a machine that stands still for a moment must not cost it
    with (
        sink(tmp_path, answer_delay_seconds=5 * lease) as smtp,
        nursery(tmp_path, urls, smtp.url, lease_seconds=lease) as yard,
    ):
        cost = await sent_slowly(bag, yard, smtp)

    assert cost == Toll(lost=0, unsent=0, again=0, taken_up=0, foreign=0)


async def test_without_a_heartbeat_it_would_be_sent_again_and_again(bag, urls, tmp_path):
    with (
        sink(tmp_path, answer_delay_seconds=5 * LEASE) as smtp,
        nursery(tmp_path, urls, smtp.url, lease_seconds=LEASE, most_crashes=3) as yard,
    ):
        cost = await sent_slowly(bag, yard.but(mutant="keep_no_lease"), smtp)

    assert cost.again > 0


async def test_a_worker_whose_leases_end_does_not_take_up_what_it_is_sending_itself(bag, urls, tmp_path):
    await bag.known(10)

    with (
        sink(tmp_path, answer_delay_seconds=4 * LEASE) as smtp,
        nursery(tmp_path, urls, smtp.url, lease_seconds=LEASE) as yard,
    ):
        worker = yard.but(mutant="keep_no_lease").worker()  # as while the database is away
        await bag.queue(10)
        await until(bag.all_ended)
        assert worker.stop() == 0
        cost = await toll(bag, smtp)

    assert cost == Toll(lost=0, unsent=0, again=0, taken_up=0, foreign=0)


async def relieved(bag: Mailbag, yard: Nursery, smtp: SmtpSink) -> tuple[int, int]:
    """A worker is told to end in the middle, and another one goes on: `(exit code, left as being sent)`."""
    first = yard.worker()
    await until(lambda: taken_by(smtp, 25))
    code = first.stop()
    sending = await bag.sql.fetchval("SELECT count(*) FROM messages WHERE status = 'sending'")
    second = yard.worker()
    await until(bag.all_ended, 20)
    second.stop()
    return code, sending


async def test_a_worker_that_is_told_to_end_finishes_what_it_holds_and_the_next_goes_on(bag, urls, tmp_path):
    await bag.known(200)
    await bag.queue(200)

    with (
        sink(tmp_path, answer_delay_seconds=0.2) as smtp,
        nursery(tmp_path, urls, smtp.url, lease_seconds=600) as yard,
    ):
        assert await relieved(bag, yard, smtp) == (0, 0)
        cost = await toll(bag, smtp)

    assert cost == Toll(lost=0, unsent=0, again=0, taken_up=0, foreign=0)
    assert yard.complaints() == []


STALLED = 5
STALLS = {f"p{number}@example.test": ["taken, stall", "250"] for number in range(STALLED)}
"""Mails that are under way whenever their worker is told to end."""


async def test_a_worker_that_just_went_would_leave_messages_behind(bag, urls, tmp_path):
    await bag.known(15)

    with (
        sink(tmp_path, STALLS) as smtp,
        nursery(tmp_path, urls, smtp.url, lease_seconds=600) as yard,
    ):
        worker = yard.but(mutant="let_go_of_nothing_at_the_end").worker()
        await bag.queue(15)
        await until(lambda: taken_by(smtp, 15))
        worker.stop()

    assert await bag.sql.fetchval("SELECT count(*) FROM messages WHERE status = 'sending'") >= STALLED


async def test_mails_that_never_end_are_released_at_the_end_of_a_worker(bag, urls, tmp_path):
    await bag.known(15)

    with (
        sink(tmp_path, STALLS) as smtp,
        nursery(tmp_path, urls, smtp.url, lease_seconds=600) as yard,
    ):
        first = yard.but(grace_seconds=0.5).worker()
        await bag.queue(15)
        await until(lambda: taken_by(smtp, 15))
        assert first.stop() == 0
        waiting = await bag.sql.fetch("SELECT status, attempts, crashes FROM messages WHERE due_at IS NOT NULL")
        second = yard.worker()
        await until(bag.all_ended, 20)
        assert second.stop() == 0
        cost = await toll(bag, smtp)

    assert {tuple(row) for row in waiting} == {("queued", 0, 0)}
    assert len(waiting) == STALLED
    assert cost == Toll(lost=0, unsent=0, again=STALLED, taken_up=0, foreign=0)
    flagged = await bag.sql.fetchval("SELECT count(*) FROM messages WHERE maybe_duplicate")
    assert flagged == STALLED


# ---------------------------------------------------------------- a mail that kills


def longest_pause(taken: list[Taken]) -> float:
    """Between one mail and the next, in seconds."""
    times = sorted(mail.at for mail in taken)
    return max((later - earlier for earlier, later in itertools.pairwise(times)), default=0.0)


async def test_a_message_that_kills_its_worker_is_held_and_all_others_are_sent(bag, urls, tmp_path):
    await bag.known(201)
    lease = 2 * LEASE

    with (
        sink(tmp_path, answer_delay_seconds=0.05) as smtp,
        nursery(tmp_path, urls, smtp.url, lease_seconds=lease) as yard,
    ):
        killing = yard.but(poison="p100@example.test")
        workers = [killing.worker(), killing.worker()]
        deaths = 0
        await bag.queue(201)
        end = time.monotonic() + 60
        while not await bag.all_ended():
            assert time.monotonic() < end, await bag.sql.fetch("SELECT status, crashes FROM messages")
            for place, worker in enumerate(workers):
                if not worker.is_alive:
                    assert worker.ended() == POISONED
                    deaths += 1
                    workers[place] = killing.worker()
            await asyncio.sleep(0.02)
        for worker in workers:
            assert worker.stop() == 0
        rows = await bag.rows()
        cost = await toll(bag, smtp)

    (held,) = (row for row in rows if row["email"] == "p100@example.test")
    assert (held["status"], held["reason"], held["crashes"], held["attempts"]) == ("held", "crashed", 5, 0)
    assert deaths == 5
    assert {row["status"] for row in rows if row is not held} == {"sent"}
    assert (cost.lost, cost.unsent, cost.foreign) == (0, 1, 0)
    assert cost.again <= cost.taken_up - 5
    assert longest_pause(smtp.taken) < 2 * lease + 3


# ---------------------------------------------------------------- nothing to send


async def test_messages_that_may_go_no_more_do_not_hold_up_those_behind_them(bag, database, tmp_path):
    await bag.known(200)
    await bag.sql.execute("UPDATE customers SET marketing = 'subscribed'")
    await bag.queue(200, kind="marketing")
    last = bag.people[-1].removeprefix("cus_")
    await bag.sql.execute("UPDATE customers SET marketing = 'unsubscribed' WHERE id <> $1", int(last))

    with sink(tmp_path) as smtp:
        await deliver(database, now_in_utc, smtp.url)
        (mail,) = smtp.taken

    statuses = Counter(row["status"] for row in await bag.rows())
    assert statuses == {"cancelled": 199, "sent": 1}
    assert mail.recipient == "p199@example.test"


async def test_accounts_that_cannot_send_now_are_asked_once_a_round(bag, open_store, database, tmp_path):
    bags = [bag]
    for _ in range(2):
        store = await open_store()
        await set_sender(store)
        bags.append(Mailbag(store, bag.sql))
    for each in bags:
        await each.known(1)
        await each.queue(1)
    await bag.sql.execute("UPDATE senders SET paused_until = now() + interval '1 hour'")

    with sink(tmp_path) as smtp:
        await asyncio.wait_for(deliver(database, now_in_utc, smtp.url), 20)
        assert smtp.taken == []

    assert await bag.waiting() == 3


# ---------------------------------------------------------------- the whole service


@dataclass(frozen=True)
class Office:
    """A shop of a running service, on a port that outlives it, and what its clients were answered."""

    url: str
    shop: Shop
    customers: list[str]
    answers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def opened(cls, url: str, people: int) -> "Office":
        shop = Shop.opened(url, "paid")
        with httpx.Client(base_url=url, headers=shop.auth, timeout=60) as client:
            assert client.patch("/account", json={"sender": SENDER}).status_code == 200
            orders = [order(f"o{number}", f"p{number}", email=f"p{number}@example.test") for number in range(people)]
            assert client.post(f"/sources/{shop.source}/orders", json={"orders": orders}).status_code == 200
            found = client.get("/customers", params={"source": shop.source, "limit": people}).json()["items"]
        return cls(url, shop, [each["id"] for each in found])

    def post(self, keys: list[str]) -> None:
        """A message under each key, asked for until there is an answer."""
        with httpx.Client(base_url=self.url, headers=self.shop.auth, timeout=30) as client:
            for each in keys:
                body = {
                    "customer": self.customers[int(each.removeprefix("key-")) % len(self.customers)],
                    "kind": "transactional",
                }
                self.answers[each] = self._insisted(client, body | {"subject": "Hello", "text": each}, each)

    def _insisted(self, client: httpx.Client, body: dict[str, str], named: str) -> str:
        for _ in range(3_000):
            with contextlib.suppress(httpx.TransportError):
                answer = client.post("/messages", json=body, headers={"Idempotency-Key": named})
                if answer.status_code == 202:
                    return str(answer.json()["id"])
                assert answer.status_code in {409, 503}, answer.text
            time.sleep(0.03)
        raise AssertionError("no answer ever came")

    def messages(self) -> list[dict[str, Any]]:
        with httpx.Client(base_url=self.url, headers=self.shop.auth, timeout=60) as client:
            page = client.get("/messages", params={"limit": 1000}).json()
            assert page["next_cursor"] is None
            items: list[dict[str, Any]] = page["items"]
            return items

    def has_sent(self) -> bool:
        return not {"queued", "sending"} & {each["status"] for each in self.messages()}


def crash_postgresql(data_dir: Path) -> None:
    """Every process of PostgreSQL ends at once, without a word."""
    min(postgres_of(data_dir), key=lambda process: process.create_time()).send_signal(signal.SIGQUIT)
    time.sleep(0.3)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("faults", [("api", "postgresql"), pytest.param(("api", "postgresql") * 4)], ids=len)
def test_a_service_and_a_database_that_die_lose_no_message_and_make_none_twice(data_dir, tmp_path, faults):
    dice = random.Random(5)
    keys = [f"key-{number}" for number in range(100 * (1 + len(faults)))]
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with sink(tmp_path, answer_delay_seconds=0.02, keep_content=False) as smtp, contextlib.ExitStack() as held:
        settings = {
            "MAIL_URL": smtp.url,
            "SENDER_DOMAINS": "any",
            "PUBLIC_URL": SITE.url,
            "MAIL_LEASE_SECONDS": "1",
            "MAIL_RATE_PER_SECOND": "10000",
        }
        service = held.enter_context(running(data_dir, PORT=str(port), **settings))
        office = Office.opened(service.url, 50)
        with ThreadPoolExecutor(4) as clients:
            posting = [clients.submit(office.post, keys[number::4]) for number in range(4)]
            for fault in faults:
                time.sleep(dice.uniform(0.3, 1.0))
                if fault == "postgresql":
                    crash_postgresql(data_dir)
                service.kill()
                wait_until(lambda: postgres_of(data_dir) == [])
                service = held.enter_context(running(data_dir, PORT=str(port), **settings))
            for each in posting:
                each.result()
        wait_until(office.has_sent, 60)
        messages = office.messages()
        first = dict(office.answers)
        office.post(keys[::10])

    sent = {each["message_id"] for each in messages if each["status"] == "sent"}
    copies = Counter(mail.message_id for mail in smtp.taken)
    assert len(messages) == len(keys)
    assert len(set(first.values())) == len(keys)
    assert {each["id"] for each in messages} == set(first.values())
    assert [each for each in messages if each["status"] != "sent"] == []
    assert set(copies) == sent
    assert len(smtp.taken) - len(copies) <= len(faults) * SendingLimits().concurrency
    assert office.answers == first
