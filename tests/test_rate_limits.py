"""Rate limits: what a key may ask in a minute, counted for all processes together."""

import asyncio
import re
import time
from contextlib import AsyncExitStack, asynccontextmanager

import httpx
import pytest
from answers import problem
from conftest import OPERATOR, serving, with_asyncpg
from postal import set_sender
from shop import order

from app.accounts import rate_limits
from app.accounts.rate_limits import Quotas
from app.admission import FairUse
from app.database.pools import Database
from app.main import create_app

QUOTAS = Quotas(requests=40, sends=3, expensive_reads=2)
OF_THE_ORDERS = {"time_frame": "custom", "start": "2026-03-01", "end": "2026-03-03"}


@pytest.fixture(autouse=True)
def long_minutes(monkeypatch):
    """A minute of an hour, so that no test begins in one and ends in the next."""
    monkeypatch.setattr(rate_limits, "WINDOW_SECONDS", 3600)
    if time.time() % 3600 > 3570:
        time.sleep(3600 - time.time() % 3600)


@asynccontextmanager
async def limited(urls, statements=None, quotas=QUOTAS):
    """One more process of the service, with these quotas."""
    database = Database(with_asyncpg(urls.write), with_asyncpg(urls.read), pool_size=4, pool_wait_seconds=20)
    if statements is not None:
        statements.watch(database)
    app = create_app(database, admin_key=OPERATOR, fair_use=FairUse(quotas=quotas))
    async with serving(app) as url, httpx.AsyncClient(base_url=url, timeout=60) as client:
        yield client
    await database.close()


def left(answer: httpx.Response) -> int:
    """What the header says is left, of the form that the draft of the IETF has."""
    told = re.fullmatch(r'"[a-z_]+";r=(\d+);t=(\d+)', answer.headers["RateLimit"])
    assert told, answer.headers["RateLimit"]
    assert 1 <= int(told[2]) <= 3600
    return int(told[1])


async def test_a_key_has_so_many_requests_and_is_told_what_is_left(urls, open_store):
    store, neighbour = await open_store(), await open_store()
    async with limited(urls) as service:
        for number in range(40):
            answer = await service.get("/account", headers=store.auth)
            assert answer.status_code == 200
            assert answer.headers["RateLimit-Policy"] == '"default";q=40;w=3600'
            assert left(answer) == 39 - number
        for _ in range(3):
            refused = await service.get("/account", headers=store.auth)
            assert "40 requests" in problem(refused, 429, "too_many_requests")["detail"]
            assert left(refused) == 0
            assert refused.headers["RateLimit"].endswith(f";t={refused.headers['Retry-After']}")
        assert left(await service.get("/account", headers=neighbour.auth)) == 39


async def test_the_next_minute_begins_anew(urls, open_store, monkeypatch):
    monkeypatch.setattr(rate_limits, "WINDOW_SECONDS", 2)
    store = await open_store()
    async with limited(urls) as service:
        refused = None
        while refused is None or refused.status_code != 429:
            refused = await service.get("/account", headers=store.auth)
        await asyncio.sleep(int(refused.headers["Retry-After"]))
        assert (await service.get("/account", headers=store.auth)).status_code == 200


async def test_processes_share_what_a_key_may_ask(urls, open_store):
    store = await open_store()
    async with AsyncExitStack() as stack:
        services = [await stack.enter_async_context(limited(urls)) for _ in range(3)]
        answered = [
            (await services[number % 3].get("/account", headers=store.auth)).status_code == 200 for number in range(90)
        ]
    assert sum(answered) == 40
    assert all(answered[:30])


async def test_what_reads_much_and_what_sends_have_limits_of_their_own(urls, open_store):
    store = await open_store()
    await set_sender(store)
    await store.send(order("1", "ada", email="ada@example.test"))
    customer = (await store.ask(time_frame="all_time"))["items"][0]["customer"]["id"]
    message = {"customer": customer, "subject": "Hello", "text": "Hello", "kind": "transactional"}
    async with limited(urls) as service:
        for number in range(3):
            headers = store.auth | {"Idempotency-Key": f"m{number}"}
            sent = await service.post("/messages", json=message, headers=headers)
            assert (sent.status_code, sent.headers["RateLimit-Policy"]) == (202, '"sends";q=3;w=3600')
        refused = await service.post("/messages", json=message, headers=store.auth | {"Idempotency-Key": "m3"})
        assert "`sends`" in problem(refused, 429, "too_many_requests")["detail"]

        file = {"params": store.board(time_frame="all_time"), "headers": store.auth | {"Accept": "text/csv"}}
        assert (await service.get("/leaderboard", **file)).status_code == 200
        of_orders = {"params": store.board(**OF_THE_ORDERS), "headers": store.auth}
        assert left(await service.get("/leaderboard", **of_orders)) == 0
        for refused in (
            await service.get("/leaderboard", **file),
            await service.get("/leaderboard", **of_orders),
            await service.get(f"/customers/{customer}/export", headers=store.auth),
        ):
            assert "`expensive_reads`" in problem(refused, 429, "too_many_requests")["detail"]
        board = await service.get("/leaderboard", params=store.board(time_frame="all_time"), headers=store.auth)
        assert (board.status_code, board.headers["RateLimit-Policy"]) == (200, '"default";q=40;w=3600')


async def test_a_long_import_counts_once(urls, open_store):
    store = await open_store()
    lines = [f"o{n},ada,2026-03-01T12:00:00Z,1.00,paid" for n in range(30_000)]
    content = "\n".join(["order_id,customer_id,ordered_at,total,status", *lines, ""])
    async with limited(urls) as service:
        headers = store.auth | {"Content-Type": "text/csv"}
        answer = await service.post(f"/sources/{store.source}/imports", content=content, headers=headers)
        assert (answer.status_code, left(answer)) == (201, 39)


async def test_counting_costs_a_statement_for_many_requests(urls, open_store, statements):
    store = await open_store()
    async with limited(urls, statements, Quotas(requests=600)) as service:
        with statements.during() as ran:
            for _ in range(500):
                assert (await service.get("/account", headers=store.auth)).status_code == 200
    assert 1 <= sum("rate_windows" in statement for _, statement in ran) <= 30


async def test_without_a_quota_nothing_is_counted(api, open_store, sql):
    store = await open_store()
    assert "RateLimit" not in (await api.get("/account", headers=store.auth)).headers
    assert await sql.fetchval("SELECT count(*) FROM rate_windows") == 0
