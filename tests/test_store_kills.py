"""Kills: receiver, worker and PostgreSQL are killed while a store sends and is read; nothing that was taken is lost.

`STORE_KILLS=300` is the size for a release.
"""

import asyncio
import json
import os
import random
from contextlib import suppress

import asyncpg
import httpx
import pytest
from fake_shops import FakeWoo, fake_woo
from processes import Shop, command
from town import Town, ready, running_town
from webhooks_of_stores import SECRET, shopify_headers, shopify_order, woo_order

KILLS = int(os.environ.get("STORE_KILLS", "12"))
ORDERS = int(os.environ.get("STORE_ORDERS", "20000"))

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600 + 8 * KILLS)]


@pytest.fixture
def town(tmp_path):
    with running_town(tmp_path / "var", ALLOW_PRIVATE_HOSTS="127.0.0.1", DEMO="0") as running:
        yield running


async def connect(town: Town, shop: Shop, **fields) -> str:
    body = {"audience": shop.audience, "name": "S", "currency": "EUR", "time_zone": "UTC", **fields}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{town.port}", headers=shop.auth) as client:
        answer = await client.post("/sources", json=body)
    assert answer.status_code == 201, answer.text
    source: str = answer.json()["id"]
    return source


async def sync_of(town: Town, shop: Shop, source: str) -> dict:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{town.port}", headers=shop.auth) as client:
        with suppress(httpx.TransportError, KeyError, ValueError):
            answer = (await client.get(f"/sources/{source}")).json()
            return answer | {"sync": answer["sync"]}
    return {}


async def wait_for(condition, seconds: float) -> None:
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110 - another process tells nobody
            await asyncio.sleep(0.5)


def filled(shop: FakeWoo) -> None:
    for number in range(1, ORDERS + 1):
        at = f"2026-03-{1 + number // 5000:02}T{number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02}"
        told = {"customer_id": number % 997 + 1, "billing": {}, "date_modified_gmt": at, "date_created_gmt": at}
        shop.orders[number] = woo_order(number, "1.00", **told)


async def test_reading_everything_survives_the_worker_and_the_database(town):
    await ready(town)
    shop = await asyncio.to_thread(Shop.opened, f"http://127.0.0.1:{town.port}", "paid")
    async with fake_woo() as true:
        filled(true)
        source = await connect(town, shop, platform="woocommerce", credentials=true.credentials)

        async def read_so_far(orders: int) -> bool:
            shown = await sync_of(town, shop, source)
            return bool(shown) and shown["health"]["orders"] >= orders

        for share, victim in ((0.1, "worker"), (0.3, "worker"), (0.5, "postgresql"), (0.7, "worker")):
            await wait_for(lambda share=share: read_so_far(int(ORDERS * share)), 400)
            await asyncio.to_thread(town.kill, victim)
            await ready(town)
        await wait_for(lambda: read_so_far(ORDERS), 400)

        async def is_live() -> bool:
            shown = await sync_of(town, shop, source)
            return bool(shown) and shown["sync"]["backfill"]["is_complete"]

        await wait_for(is_live, 300)
        shown = await sync_of(town, shop, source)
        assert shown["health"]["orders"] == shown["health"]["purchases"] == ORDERS
    verified = await asyncio.to_thread(command, town.data_dir, "verify", source, **town.settings)
    assert verified.out == f"{source}: true\n"


async def test_every_webhook_that_was_answered_2xx_is_accounted_for(town):
    await ready(town)
    shop = await asyncio.to_thread(Shop.opened, f"http://127.0.0.1:{town.port}", "paid")
    source = await connect(town, shop, platform="shopify", webhook_secrets=[SECRET])
    dice, stop, taken, poison = random.Random(7), asyncio.Event(), set[str](), set[str]()

    async def send(sender: int) -> None:
        number = 0
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{town.port}", timeout=20) as client:
            while not stop.is_set():
                number += 1
                order_id = sender * 10**6 + number
                body = json.dumps(shopify_order(order_id, customer=number % 50 + 1)).encode()
                if number % 20 == 0:
                    body = body[:-5]
                headers = shopify_headers("orders/create", body)
                for _ in range(dice.choice((1, 1, 2))):
                    with suppress(httpx.TransportError):
                        answer = await client.post(f"/webhooks/{source}/shopify", content=body, headers=headers)
                        assert answer.status_code in {200, 503}
                        if answer.status_code == 200:
                            (poison if number % 20 == 0 else taken).add(str(order_id))
                await asyncio.sleep(0.01)

    senders = [asyncio.create_task(send(each)) for each in range(1, 5)]
    for _ in range(KILLS):
        await asyncio.sleep(dice.uniform(0.3, 1.5))
        await asyncio.to_thread(town.kill, dice.choice(("serve", "worker", "postgresql")))
        await ready(town)
    stop.set()
    await asyncio.gather(*senders)
    await accounted(town, source, taken, len(poison))
    verified = await asyncio.to_thread(command, town.data_dir, "verify", source, **town.settings)
    assert verified.out == f"{source}: true\n"


async def accounted(town: Town, source: str, taken: set[str], poison: int) -> None:
    conn = await asyncpg.connect(town.settings["DATABASE_URL"])
    try:

        async def is_settled() -> bool:
            return not await conn.fetchval("SELECT count(*) FROM inbox WHERE status = 'waiting'")

        await wait_for(is_settled, 200)
        stored = {name for (name,) in await conn.fetch("SELECT order_id FROM orders")}
        quarantined = await conn.fetchval("SELECT count(*) FROM inbox WHERE status = 'quarantined'")
    finally:
        await conn.close()
    print(f"{KILLS} kills: {len(taken)} orders, {poison} that cannot be read, of {source}")  # noqa: T201
    assert taken - stored == set()
    assert quarantined >= poison
    assert len(taken) > KILLS
