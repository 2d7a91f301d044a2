"""Mixed kills: API, worker and PostgreSQL are killed at random while everything is done at once.

What was acknowledged is there afterwards, figures are true, and nobody had to help. `MIXED_KILLS=300` is the size for a
release.
"""

import asyncio
import os
import random
from contextlib import suppress
from dataclasses import dataclass, field

import asyncpg
import httpx
import pytest
from postal import SENDER
from processes import Shop, command
from shop import order
from town import Town, ready, running_town

KILLS = int(os.environ.get("MIXED_KILLS", "15"))
PAUSE_SECONDS = 0.8
UNDER_WAY = (httpx.TransportError, KeyError)
STORED_FOR_GOOD = {200, 201, 202, 204}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180 + 6 * KILLS)]


@dataclass
class Acknowledged:
    """What the service has said is done."""

    orders: set[str] = field(default_factory=set)
    messages: set[str] = field(default_factory=set)
    erased: set[str] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)
    reads: int = 0


@pytest.fixture
def town(tmp_path):
    with running_town(tmp_path / "var") as running:
        yield running


class Customers:
    """Clients who do everything at once, each again and again until told to stop."""

    def __init__(self, url: str, shop: Shop) -> None:
        self.api = httpx.AsyncClient(base_url=url, headers=shop.auth, timeout=20)
        self.shop = shop
        self.done = Acknowledged()
        self.stop = asyncio.Event()

    async def run(self, work) -> None:
        number = 0
        while not self.stop.is_set():
            number += 1
            with suppress(httpx.TransportError):
                await work(number)
            await asyncio.sleep(0.02)

    async def ask(self, method: str, path: str, **given) -> httpx.Response:
        answer = await self.api.request(method, path, **given)
        if answer.status_code >= 500 and answer.status_code != 503:
            self.done.wrong.append(f"{method} {path}: {answer.status_code} {answer.text}")
        return answer

    async def send_batch(self, number: int) -> None:
        rows = [order(f"b{number}-{n}", f"c{n % 40}", email=f"c{n % 40}@example.test") for n in range(50)]
        answer = await self.ask("POST", f"/sources/{self.shop.source}/orders", json={"orders": rows})
        if answer.status_code == 200:
            self.done.orders |= {row["order_id"] for row in rows}

    async def load_file(self, number: int) -> None:
        names = [f"i{number}-{n}" for n in range(12_000)]
        lines = [f"{name},d{n % 300},2026-03-01T12:00:00Z,3.00,paid" for n, name in enumerate(names)]
        content = "\n".join(["order_id,customer_id,ordered_at,total,status", *lines, ""])
        path = f"/sources/{self.shop.source}/imports"
        answer = await self.ask("POST", path, content=content, headers={"Content-Type": "text/csv"})
        if answer.status_code == 201 and answer.json()["rejected_count"] == 0:
            self.done.orders |= set(names)

    async def someone(self, number: int) -> str | None:
        listed = await self.ask(
            "GET", "/customers", params={"source": self.shop.source, "external_id": f"c{number % 40}"}
        )
        found = listed.json().get("items", [])
        return found[0]["id"] if found else None

    async def write(self, number: int) -> None:
        customer = await self.someone(number)
        if customer is None:
            return
        words = {"customer": customer, "kind": "transactional", "subject": "Hello", "text": "Hello"}
        headers = {"Idempotency-Key": f"m{number}"}
        for _ in range(3):  # as a client does that got no answer
            with suppress(httpx.TransportError):
                answer = await self.ask("POST", "/messages", json=words, headers=headers)
                if answer.status_code == 202:
                    self.done.messages.add(answer.json()["id"])
                return

    async def erase(self, number: int) -> None:
        await asyncio.sleep(1)
        customer = await self.someone(number * 7)
        if customer is not None and (await self.ask("DELETE", f"/customers/{customer}")).status_code == 204:
            self.done.erased.add(customer)

    async def read(self, number: int) -> None:
        asked = {"audience": self.shop.audience, "source": self.shop.source, "time_frame": "all_time"}
        frames = ({}, {"time_frame": "custom", "start": "2026-01-01", "end": "2026-04-01"}, {"compare": "gap"})
        answer = await self.ask("GET", "/leaderboard", params=asked | frames[number % 3])
        if answer.status_code == 200:
            page = answer.json()
            self.done.reads += 1
            whole = sum(row["number_of_purchases"] for row in page["items"]) == page["number_of_purchases"]
            if page["next_cursor"] is None and not whole:
                self.done.wrong.append(f"a page that does not add up: {answer.text[:300]}")


async def test_whatever_is_killed_nothing_acknowledged_is_lost(town):
    await ready(town)
    url, dice = f"http://127.0.0.1:{town.port}", random.Random(11)
    shop = await asyncio.to_thread(Shop.opened, url, "paid")
    customers = Customers(url, shop)
    await customers.ask("PATCH", "/account", json={"sender": SENDER})
    kinds = [customers.send_batch] * 2 + [customers.load_file, customers.write, customers.erase, customers.read]
    tasks = [asyncio.create_task(customers.run(kind)) for kind in kinds]
    for _ in range(KILLS):
        await asyncio.sleep(dice.uniform(0.2, PAUSE_SECONDS * 2))
        await asyncio.to_thread(town.kill, dice.choice(("serve", "worker", "postgresql")))
        await ready(town)
    customers.stop.set()
    await asyncio.gather(*tasks)
    await settled(town, customers.done)
    await customers.api.aclose()
    print(  # noqa: T201
        f"{KILLS} kills: {len(customers.done.orders)} orders, {len(customers.done.messages)} messages,"
        f" {len(customers.done.erased)} erasures, {customers.done.reads} reads"
    )
    verified = await asyncio.to_thread(command, town.data_dir, "verify", **town.settings)
    assert verified.out == f"{shop.source}: true\n"


async def settled(town: Town, done: Acknowledged) -> None:
    """Wait until the worker has done its work, then look for all that was acknowledged."""
    conn = await asyncpg.connect(town.settings["DATABASE_URL"])
    try:
        for _ in range(600):
            if not await conn.fetchval("SELECT count(*) FROM messages WHERE due_at IS NOT NULL"):
                break
            await asyncio.sleep(0.2)
        stored = {name for (name,) in await conn.fetch("SELECT order_id FROM orders WHERE deleted_at IS NULL")}
        messages = dict(await conn.fetch("SELECT 'msg_' || id, status FROM messages"))
        customers = {name for (name,) in await conn.fetch("SELECT 'cus_' || id FROM customers")}
    finally:
        await conn.close()
    assert done.wrong == []
    assert done.orders - stored == set()
    assert done.messages - {*messages} == set()
    assert {messages[each] for each in done.messages} <= {"sent", "cancelled"}
    assert done.erased & customers == set()
    assert done.orders
    assert done.messages
    assert done.reads
