"""Faults: clients at the same time, killed processes, lost connections; the figures stay what the orders say.

An order is acknowledged when its request was answered with 200. After every fault the
acknowledged orders are there, repeating the others counts nothing twice, and `verify` is true.
"""

import asyncio
import random
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from conftest import wait_until, with_asyncpg
from processes import Shop, command, postgres_of, running
from shop import Store, order
from sqlalchemy import event, text

from app.boards.source import read_source
from app.boards.verify import verify
from app.database.pools import Database
from app.local_postgres import local_postgres

ANSWERED = {200, 503}
AT = "2026-03-01T12:00:00Z"


def batch(number: int, size: int = 20) -> list[dict[str, str]]:
    """The same orders for the same number: batch `n` holds orders from 5 n on, so neighbours overlap."""
    return [
        order(f"o{place}", f"c{place % 17}", f"{1 + place % 9}.00", AT, updated_at=AT)
        for place in range(5 * number, 5 * number + size)
    ]


def expected(batches: list[list[dict[str, str]]]) -> dict[str, tuple[int, str]]:
    """What the board of all time shows: each order once."""
    known = {each["order_id"]: each for orders in batches for each in orders}
    spend, purchases = Counter[str](), Counter[str]()
    for each in known.values():
        spend[each["customer_id"]] += int(each["total"].removesuffix(".00"))
        purchases[each["customer_id"]] += 1
    return {customer: (purchases[customer], f"{spend[customer]}.00") for customer in purchases}


async def figures(store: Store) -> dict[str, tuple[int, str]]:
    rows = (await store.ask(time_frame="all_time", limit=1000))["items"]
    return {row["customer"]["external_id"]: (row["number_of_purchases"], row["total_spend"]) for row in rows}


async def differences(database, store: Store) -> list[str]:
    async with database.read() as conn:
        account_id = int(store.account.removeprefix("acc_"))
        source = await read_source(conn, account_id, store.source_id)
    return await verify(database, source)


def as_csv(rows: int, seed: int = 0) -> bytes:
    lines = ["order_id,customer_id,ordered_at,total,status,updated_at"]
    lines += [f"s{seed}-{number},c{number % 997},{AT},{1 + number % 9}.00,paid,{AT}" for number in range(rows)]
    return "\n".join([*lines, ""]).encode()


def expected_of_csv(rows: int) -> tuple[int, int]:
    """Orders, and what they are worth in whole units."""
    return rows, sum(1 + number % 9 for number in range(rows))


def less_patient(connection: Any, _record: object, _proxy: object) -> None:
    cursor = connection.cursor()
    cursor.execute("SET lock_timeout = '700ms'")
    cursor.close()


# ---------------------------------------------------------------- at the same time


class TestAtTheSameTime:
    @pytest.fixture
    def pool_size(self) -> int:
        return 5

    async def test_overlapping_batches_of_many_clients_end_with_the_right_figures(self, open_store, database, sql):
        store = await open_store()
        batches = [batch(number) for number in range(60)]
        shuffled = [each for orders in batches for each in [orders] * 2]
        random.Random(1).shuffle(shuffled)
        answers: list[int] = []

        async def client(mine: list[list[dict[str, str]]]) -> None:
            for orders in mine:
                answer = await store.post(*random.Random(len(answers)).sample(orders, len(orders)))
                answers.append(answer.status_code)

        await asyncio.gather(*(client(shuffled[number::20]) for number in range(20)))

        assert set(answers) == {200}
        assert await figures(store) == expected(batches)
        assert await differences(database, store) == []
        assert await sql.fetchval("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == 0

    async def test_an_import_twice_and_batches_beside_it_count_each_order_once(self, open_store, database, sql):
        store = await open_store()
        content = as_csv(12_000)

        results = await asyncio.gather(
            store.load(content), store.load(content), *(store.post(*batch(number)) for number in range(10))
        )

        assert sorted(answer.status_code for answer in results) == [200] * 10 + [201, 429]
        first = next(answer.json() for answer in results if answer.status_code == 201)
        second = (await store.load(content)).json()
        assert first["created"] + second["created"] == 12_000
        assert first["unchanged"] + second["unchanged"] == 12_000
        board = await store.ask(time_frame="all_time", limit=1000)
        spend = sum(int(row["total_spend"].removesuffix(".00")) for row in board["items"])
        beside = sum(
            int(each["total"].removesuffix(".00"))
            for each in {each["order_id"]: each for number in range(10) for each in batch(number)}.values()
        )
        assert spend == expected_of_csv(12_000)[1] + beside
        assert await differences(database, store) == []
        assert await sql.fetchval("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == 0

    async def test_a_source_that_someone_else_holds_makes_writes_wait_then_503_or_success(
        self, open_store, sql, database
    ):
        event.listen(database.writing.engine.sync_engine, "checkout", less_patient)
        store = await open_store()
        await store.sold(("ada", "10.00"))
        await database.writing.engine.dispose()
        held = sql.transaction()
        await held.start()
        await sql.execute("SELECT 1 FROM sources FOR UPDATE")

        begun = time.monotonic()
        refused = await asyncio.gather(
            store.post(*batch(0)),
            store.api.delete(f"/sources/{store.source}/orders/sale-1", headers=store.auth),
            store.load(as_csv(10)),
            store.api.patch(f"/sources/{store.source}", json={"name": "Other"}, headers=store.auth),
        )
        waited = time.monotonic() - begun
        seen = await figures(store)
        later = asyncio.create_task(store.post(*batch(0)))
        await asyncio.sleep(0.2)
        await held.commit()

        assert [(answer.status_code, "Retry-After" in answer.headers) for answer in refused] == [(503, True)] * 4
        assert 0.6 < waited < 10
        assert seen == {"ada": (1, "10.00")}
        assert (await later).status_code == 200
        assert await differences(database, store) == []


# ---------------------------------------------------------------- lost connections

Post = Callable[[list[dict[str, str]]], Awaitable[httpx.Response]]


class Ingest:
    """Clients that send batches and remember which were acknowledged and which they do not know of."""

    def __init__(self, post: Post) -> None:
        self.post = post
        self.acknowledged: list[list[dict[str, str]]] = []
        self.unknown: list[list[dict[str, str]]] = []
        self.statuses = Counter[int]()

    async def send(self, orders: list[dict[str, str]]) -> None:
        try:
            answer = await self.post(orders)
        except httpx.TransportError:
            self.unknown.append(orders)
            await asyncio.sleep(0.05)
            return
        self.statuses[answer.status_code] += 1
        (self.acknowledged if answer.status_code == 200 else self.unknown).append(orders)
        if answer.status_code == 503:
            assert int(answer.headers["Retry-After"]) > 0

    async def run(self, numbers: range, clients: int) -> None:
        async def client(mine: range) -> None:
            for number in mine:
                await self.send(batch(number))

        await asyncio.gather(*(client(numbers[each::clients]) for each in range(clients)))

    async def repeat_unknown(self) -> None:
        again, self.unknown = self.unknown, []
        for orders in again:
            await self.send(orders)


class TestLostConnections:
    @pytest.fixture
    def pool_size(self) -> int:
        return 5

    async def test_terminated_backends_lose_nothing_that_was_acknowledged(self, open_store, database, postgres, urls):
        store = await open_store()
        ingest = Ingest(lambda orders: store.post(*orders))
        dice = random.Random(3)
        read = Counter[int]()

        async def terminate() -> None:
            superuser = await asyncpg.connect(postgres.superuser)
            try:
                for _ in range(25):
                    await asyncio.sleep(dice.random() * 0.15)
                    await superuser.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                        " WHERE datname = $1 AND pid <> pg_backend_pid() AND random() < 0.5",
                        urls.name,
                    )
            finally:
                await superuser.close()

        async def ask() -> None:
            while not fault.done():
                question = store.board(time_frame="all_time")
                read[(await store.api.get("/leaderboard", params=question, headers=store.auth)).status_code] += 1

        fault = asyncio.create_task(terminate())
        await asyncio.gather(fault, ask(), ingest.run(range(150), 6))
        for _ in range(20):  # each connection that was lost shows itself once
            with suppress(AssertionError):
                await figures(store)
        after = await asyncpg.connect(urls.write)
        stored = {row["order_id"] for row in await after.fetch("SELECT order_id FROM orders")}
        await after.close()
        lost = {each["order_id"] for orders in ingest.acknowledged for each in orders} - stored
        await ingest.repeat_unknown()
        await ingest.repeat_unknown()

        assert lost == set()
        assert ingest.statuses[503] > 0, "no fault was met"
        assert set(ingest.statuses) <= ANSWERED, ingest.statuses
        assert set(read) <= ANSWERED, read
        assert ingest.unknown == []
        assert await figures(store) == expected([batch(number) for number in range(150)])
        assert await differences(database, store) == []


# ---------------------------------------------------------------- killed processes


def spend_of(board: dict[str, object]) -> int:
    return sum(int(row["total_spend"].removesuffix(".00")) for row in board["items"])


@asynccontextmanager
async def uploading(url: str, shop: Shop, content: bytes) -> AsyncIterator[asyncio.Task[httpx.Response]]:
    async with httpx.AsyncClient(base_url=url, timeout=120) as client:
        headers = shop.auth | {"Content-Type": "text/csv"}
        task = asyncio.create_task(client.post(f"/sources/{shop.source}/imports", content=content, headers=headers))
        yield task
        with suppress(httpx.TransportError):
            await task


async def until_stored(url: str, shop: Shop, orders: int) -> None:
    async with httpx.AsyncClient(base_url=url, timeout=60, headers=shop.auth) as client:
        for _ in range(10_000):
            if (await client.get(f"/sources/{shop.source}")).json()["health"]["orders"] >= orders:
                return
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("stored_first", "seconds"),
    [
        (5_000, 0.1),
        *(pytest.param(*moment, marks=pytest.mark.slow) for moment in ((0, 0.3), (10_000, 0.0), (10_000, 0.4))),
        *(pytest.param(*moment, marks=pytest.mark.slow) for moment in ((15_000, 0.0), (15_000, 0.1))),
    ],
)
@pytest.mark.timeout(300)
async def test_a_service_killed_in_an_import_answers_rightly_and_repeating_completes_it(
    data_dir, stored_first, seconds
):
    rows = 15_000
    content = as_csv(rows)
    with running(data_dir) as service:
        shop = Shop.opened(service.url)
        async with uploading(service.url, shop, content):
            await until_stored(service.url, shop, stored_first)
            await asyncio.sleep(seconds)
            service.kill()
    wait_until(lambda: postgres_of(data_dir) == [], 30)

    with running(data_dir) as service:
        verified = await asyncio.to_thread(command, data_dir, "verify")
        health = shop.health(service.url)
        board = shop.board(service.url)
        stored = health["orders"]
        async with uploading(service.url, shop, content) as again:
            repeated = (await again).json()
        completed = shop.board(service.url)
        verified_again = await asyncio.to_thread(command, data_dir, "verify")

    assert (verified.code, verified.out) == (0, f"{shop.source}: true\n")
    assert stored % 5_000 == 0
    assert stored_first <= stored <= rows
    assert health["purchases"] == stored
    assert (sum(row["number_of_purchases"] for row in board["items"]), spend_of(board)) == expected_of_csv(stored)
    assert (repeated["created"], repeated["unchanged"]) == (rows - stored, stored)
    assert (sum(row["number_of_purchases"] for row in completed["items"]), spend_of(completed)) == expected_of_csv(rows)
    assert (verified_again.code, verified_again.out) == (0, f"{shop.source}: true\n")
    assert postgres_of(data_dir) == []


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_orders_acknowledged_before_postgresql_crashes_are_there_after_it(data_dir, tmp_path):
    with running(data_dir) as first:
        shop = Shop.opened(first.url)
    (tmp_path / "apart").mkdir()
    for crash in range(5):
        numbers = range(crash * 100, crash * 100 + 100)
        with local_postgres(data_dir) as urls, running(tmp_path / "apart" / "var", DATABASE_URL=urls.write) as service:
            ingest = await crashed_while_ingesting(service.url, shop, numbers, data_dir, 0.3 + 0.1 * crash)
        assert set(ingest.statuses) <= ANSWERED, ingest.statuses
        assert ingest.unknown
        with running(data_dir) as recovered:
            there = shop.figures(recovered.url)
            acknowledged = expected(ingest.acknowledged)
            assert all(there[customer][0] >= purchases for customer, (purchases, _) in acknowledged.items())
            async with sender(recovered.url, shop) as post:
                ingest.post = post
                await ingest.repeat_unknown()
            assert ingest.unknown == []
            assert shop.figures(recovered.url) == expected([batch(number) for number in range(numbers.stop)])
            verified = await asyncio.to_thread(command, data_dir, "verify")
            assert (verified.code, verified.out) == (0, f"{shop.source}: true\n")


@asynccontextmanager
async def sender(url: str, shop: Shop) -> AsyncIterator[Post]:
    async with httpx.AsyncClient(base_url=url, timeout=30, headers=shop.auth) as client:
        path = f"/sources/{shop.source}/orders"
        yield lambda orders: client.post(path, json={"orders": orders})


async def crashed_while_ingesting(url: str, shop: Shop, numbers: range, data_dir: Path, seconds: float) -> Ingest:
    """Every process of PostgreSQL ends at once, without a word, while clients send."""
    async with sender(url, shop) as post:
        ingest = Ingest(post)
        sending = asyncio.create_task(ingest.run(numbers, 4))
        await asyncio.sleep(seconds)
        min(postgres_of(data_dir), key=lambda process: process.create_time()).send_signal(signal.SIGQUIT)
        await sending
    return ingest


async def test_a_session_keeps_its_settings_when_its_first_transaction_fails(urls):
    database = Database(with_asyncpg(urls.write), with_asyncpg(urls.read), pool_size=1, pool_wait_seconds=5)
    with suppress(ZeroDivisionError):
        async with database.write() as conn:
            await conn.execute(text("SELECT 1"))
            1 / 0  # noqa: B018 - a fault in the middle of a transaction

    async with database.write() as conn:
        kept = [(await conn.execute(text(f"SHOW {name}"))).scalar_one() for name in ("lock_timeout", "enable_seqscan")]
    await database.close()

    assert kept == ["2s", "off"]


async def test_what_a_new_session_writes_at_once_stays(urls, sql):
    database = Database(with_asyncpg(urls.write), with_asyncpg(urls.read), pool_size=1, pool_wait_seconds=5)
    await database.write_once(text("CREATE TABLE kept (number int)"), {})
    await database.close()

    assert await sql.fetchval("SELECT count(*) FROM kept") == 0
