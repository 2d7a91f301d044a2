"""Secrets of stores: encrypted at rest, found nowhere else, and moved from one key to the next."""

import asyncio
import base64
import contextlib
import secrets
from pathlib import Path

import asyncpg
import httpx
import pytest
from fake_shops import FakeShopify, FakeWoo, fake_shopify, fake_woo, pulled_form
from postal import until
from processes import Running, Shop, running
from starlette.responses import PlainTextResponse
from webhooks_of_stores import SECRET, sent, shopify_headers, shopify_order, woo_headers, woo_order

from app.local_postgres import local_postgres
from app.sources.connections import Connections
from app.sources.connectors import CONNECTORS
from app.sources.renew_encryption import Renewed, renew_encryption
from app.sources.settle_inbox import Inbox
from app.sources.store_work import StoreWork
from app.tables import metadata
from app.vault import VAULT_KEY_BYTES, Vault
from app.web.calls import WebCalls
from app.web.guard import Guard

OLD_KEY, NEW_KEY, OTHER_KEY = (secrets.token_bytes(VAULT_KEY_BYTES) for _ in range(3))


# ---------------------------------------------------------------- nowhere else

LEGACY_TOKEN, LEGACY_SECRET = "shpat_of_a_legacy_app", "secret_of_a_legacy_app"
BY_HAND = ["secret_that_was_entered_by_hand", "secret_that_comes_after_it"]
JSON_BODY = {"Content-Type": "application/json"}
WRONG = {"consumer_key": "ck_that_is_wrong", "consumer_secret": "cs_that_is_wrong"}


def echoing(request):
    """A shop that fails, and repeats what it was asked with."""
    return PlainTextResponse(f"{dict(request.headers)} {request.url}", 500)


async def is_synced(client: httpx.AsyncClient, source: str) -> bool:
    """Whether the store was read, or failed to be."""
    sync = (await client.get(f"/sources/{source}")).json()["sync"]
    return bool(sync["state"] == "live" or sync["reason"] == "status_500")


async def use_everything(client: httpx.AsyncClient, audience: str, woo: FakeWoo, shops: list[FakeShopify]) -> list[str]:
    """Connects stores in every way, has them sync, fail, change and go; returns all answers."""
    told: list[str] = []

    async def ask(method: str, path: str, **options) -> httpx.Response:
        answer = await client.request(method, path, **options)
        told.append(f"{answer.headers} {answer.text}")
        return answer

    async def connect(platform: str, **fields) -> str:
        body = {"audience": audience, "platform": platform} | fields
        return str((await ask("POST", "/sources", json=body)).json().get("id"))

    by_client, by_token = shops
    legacy = {"shop": by_token.url, "access_token": LEGACY_TOKEN, "webhook_secret": LEGACY_SECRET}
    sources = {
        await connect("woocommerce", credentials=woo.credentials): (woo, "woocommerce"),
        await connect("shopify", credentials=by_client.credentials): (by_client, "shopify"),
        await connect("shopify", credentials=legacy): (by_token, "shopify"),
    }
    by_token.trouble = [echoing] * 2
    by_hand = await connect("shopify", name="S", currency="EUR", time_zone="UTC", webhook_secrets=BY_HAND)
    for source in sources:
        await until(lambda source=source: is_synced(client, source))

    await be_refused(ask, connect, sources, woo)
    for secret in BY_HAND:
        body = str(shopify_order(1)).encode()
        await ask(
            "POST", f"/webhooks/{by_hand}/shopify", content=body, headers=shopify_headers("orders/create", body, secret)
        )
    body = b'{"id": 1}'
    hook = woo_headers("order.updated", body, str(woo.hooks[0]["secret"]))
    await ask("POST", f"/webhooks/{next(iter(sources))}/woocommerce", content=body, headers=hook)
    await asyncio.sleep(2)
    for source in (*sources, by_hand):
        for path in ("", "/setup", "/inbox"):
            await ask("GET", f"/sources/{source}{path}")
    for path in ("/sources", "/metrics", "/account", "/account/audit", "/openapi.json"):
        await ask("GET", path)
    await ask("DELETE", f"/sources/{list(sources)[1]}")
    return told


async def be_refused(ask, connect, sources, woo: FakeWoo) -> None:
    """What is wrong is answered, and must not be repeated."""
    await connect("woocommerce", credentials=woo.credentials | WRONG)
    await connect("woocommerce", credentials=woo.credentials, currency="USD")
    await connect("shopify", credentials=woo.credentials | {"more": LEGACY_TOKEN})
    await connect("shopify", credentials={"shop": [LEGACY_TOKEN]}, webhook_secrets=[LEGACY_SECRET, SECRET * 100])
    await ask("POST", "/sources", content=f'{{"a": "{LEGACY_TOKEN}'.encode(), headers=JSON_BODY)
    for source, (shop, platform) in sources.items():
        shop.trouble = [echoing]
        await ask("PATCH", f"/sources/{source}", json={"credentials": shop.credentials})
        shop.trouble = [echoing]
        path = f"/webhooks/{source}/{platform}"
        await ask("POST", path, content=b"{}", headers=shopify_headers("orders/create", b"{}", "not the secret"))


async def dump(data_dir: Path) -> str:
    """Every row as text, of the server of a running service."""
    with local_postgres(data_dir, share=True) as urls:
        conn = await asyncpg.connect(urls.write)
        try:
            rows = [str(await conn.fetch(f"SELECT t::text FROM {table} AS t")) for table in metadata.tables]
        finally:
            await conn.close()
    return "".join(rows)


def forms(secret: str) -> set[bytes]:
    """A secret as it may stand somewhere."""
    plain = secret.encode()
    inner = {base64.b64encode(b"x" * skipped + plain)[4:-4] for skipped in range(3)}
    return {plain, plain.hex().encode(), *inner}


@pytest.mark.timeout(200)
async def test_no_secret_of_a_store_stands_in_database_files_logs_answers_or_metrics(data_dir):
    async with fake_woo() as woo, fake_shopify() as by_client, fake_shopify() as by_token:
        by_token.good_tokens = {LEGACY_TOKEN}
        woo.orders = {1: woo_order(1)}
        by_client.orders = {1: pulled_form(shopify_order(1))}
        settings = {"ALLOW_PRIVATE_HOSTS": "127.0.0.1", "PUBLIC_URL": "https://leaderboard.example"}
        with contextlib.ExitStack() as held:
            service: Running = await asyncio.to_thread(held.enter_context, running(data_dir, **settings))
            shop = await asyncio.to_thread(Shop.opened, service.url)
            async with httpx.AsyncClient(base_url=service.url, headers=shop.auth, timeout=30) as client:
                answers = await use_everything(client, shop.audience, woo, [by_client, by_token])
            rows = await dump(data_dir)
            await asyncio.to_thread(held.close)
        known = [
            *(woo.key, woo.secret, str(woo.hooks[0]["secret"]), by_client.client_secret, *by_client.given),
            *(LEGACY_TOKEN, LEGACY_SECRET, *BY_HAND, *WRONG.values()),
            f"{woo.key}:{woo.secret}",
        ]
    assert len(by_client.given) >= 1
    searched = {"log": service.said().encode(), "answers": "".join(answers).encode(), "rows": rows.encode()}
    files = [each for each in data_dir.rglob("*") if each.is_file()]
    searched |= {str(each.relative_to(data_dir)): each.read_bytes() for each in files}
    found = [
        (place, secret) for place, content in searched.items() for secret in known for form in forms(secret)
        if form in content
    ]  # fmt: skip
    assert found == []
    assert "Bottega" in rows
    assert b"shop not read" in searched["log"]
    assert searched["answers"].count(b"status_500") >= len("abc")
    assert len(files) > 1000


# ---------------------------------------------------------------- from one key to the next


@pytest.fixture
async def woo_shop():
    async with fake_woo() as shop:
        yield shop


@pytest.fixture
async def connections():
    """Those of processes that know the old key alone."""
    async with with_keys(OLD_KEY) as opened:
        yield opened


def with_keys(*keys: bytes):
    return contextlib.aclosing(Connections(Vault(keys), CONNECTORS, WebCalls(Guard(["127.0.0.1"]))))


async def test_what_an_old_key_has_encrypted_is_read_with_the_new_one_before_it_and_then_needs_it_no_more(
    woo_shop, open_store, database, clock, sql, midday
):
    shop = woo_shop
    wanted = {"platform": "woocommerce", "credentials": shop.credentials}
    store = await open_store(**wanted, name=None, currency=None, time_zone=None)
    async with with_keys(OLD_KEY) as old:
        await StoreWork.on(database, old, clock, "https://leaderboard.example").run_once()
    secret = str(shop.hooks[0]["secret"])
    for number in (1, 2):
        await sent(store, "woocommerce", "order.created", woo_order(number), secret)
    await sent(store, "woocommerce", "order.created", woo_order(3), secret)
    await sql.execute("UPDATE inbox SET content = NULL WHERE id = (SELECT max(id) FROM inbox)")
    rows = await sql.fetch("SELECT secrets FROM store_connections UNION ALL SELECT content FROM inbox")
    stored = b"".join(each["secrets"] or b"" for each in rows)
    assert not [each for each in (secret, shop.secret, "shopper") if each.encode() in stored]

    async with with_keys(NEW_KEY, OLD_KEY) as both:
        assert await renew_encryption(database, both.vault) == Renewed(1, 2, 0)
        assert await renew_encryption(database, both.vault) == Renewed(0, 0, 0)
    async with with_keys(NEW_KEY) as new:
        shop.orders = {9: woo_order(9, date_modified_gmt="2026-03-18T12:00:00")}
        await sql.execute("UPDATE store_connections SET pull_due_at = since")
        await StoreWork.on(database, new, clock, "https://leaderboard.example").run_once()

    assert {each["order_id"] for each in await sql.fetch("SELECT order_id FROM orders")} == {"1", "2", "9"}
    assert await sql.fetchval("SELECT content IS NULL FROM inbox ORDER BY id DESC LIMIT 1")


async def test_before_anything_is_renewed_both_keys_are_read(open_store, database, clock, sql, midday):
    store = await open_store(platform="woocommerce", webhook_secrets=[SECRET])
    await sent(store, "woocommerce", "order.created", woo_order(1))
    async with with_keys(NEW_KEY, OLD_KEY) as both:
        await Inbox(database, both.vault, both.connectors, clock).settle_all()
    assert await sql.fetchval("SELECT order_id FROM orders") == "1"


async def test_what_no_key_can_read_keeps_nothing_else_from_being_renewed(open_store, database, sql, midday):
    first = await open_store(platform="woocommerce", webhook_secrets=[SECRET])
    await open_store(platform="shopify", webhook_secrets=[SECRET])
    await sql.execute("UPDATE store_connections SET secrets = $1 WHERE source_id = $2", b"x" * 50, first.source_id)
    assert await renew_encryption(database, Vault([NEW_KEY, OLD_KEY])) == Renewed(1, 0, 1)
    assert await renew_encryption(database, Vault([OTHER_KEY])) == Renewed(0, 0, 0)
