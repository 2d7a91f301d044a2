"""Nobody waits: no operation holds a connection of a pool while it waits for a client, a thread or another's lock."""

import asyncio
import json
import threading
import time
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from urllib.parse import urlencode

import httpx
import pytest
from answers import operations
from conftest import NOW, OPERATOR, UNLIMITED, serving, with_asyncpg
from every_operation import call, requests
from postal import customer as person
from postal import set_sender
from shop import order

from app.admission import FairUse
from app.database.pools import API_LIMITS, Database
from app.main import create_app
from app.messages.writing import writing_thread

OPERATOR_AUTH = {"Authorization": f"Bearer {OPERATOR}"}
WRITTEN_FOR_EACH = {"sendMessage", "sendMessages"}
LIMITS = replace(API_LIMITS, lock="200ms")
TRIES = 3
"""Each operation is asked so often at once: more often than an account has connections in a pool."""


@pytest.fixture
async def database(urls, statements):
    """Pools with two connections for an account and two for the others."""
    database = Database(
        with_asyncpg(urls.write), with_asyncpg(urls.read), pool_size=4, pool_wait_seconds=0.5, limits=LIMITS
    )
    statements.watch(database)
    yield database
    await database.close()


@pytest.fixture
async def api(database):
    app = create_app(database, admin_key=OPERATOR, clock=lambda: NOW, fair_use=FairUse(quotas=UNLIMITED))
    async with serving(app) as url, httpx.AsyncClient(base_url=url, timeout=60) as client:
        yield client


@pytest.fixture
async def both(open_store):
    """A busy store and its neighbour, each with a customer who may be written to."""
    stores = [await open_store(), await open_store()]
    for store in stores:
        await set_sender(store)
        await store.send(order("1", "ada", email="ada@example.test"))
    return stores


async def answered(store) -> None:
    """The store's board and a write of its own, which must be quick."""
    async with asyncio.timeout(3):
        assert (await store.ask(time_frame="all_time"))["number_of_purchases"] == 1
        await store.send(order("1", "ada", email="ada@example.test"))


def requests_of(store, customer: str) -> dict[str, dict]:
    """A request of each operation that does its work, where a made-up id would end it early."""
    made = json.dumps(requests(store)).replace("cus_999", customer).replace("acc_999", store.account)
    asked: dict[str, dict] = json.loads(made)
    asked["deleteAccount"]["path"]["id"] = "acc_999"  # the others need the account, and its plan
    asked["changeAccount"]["json"]["plan"] = "paid"
    return asked


async def walk(api, document, store):
    """Every operation with its request and the key that may."""
    asked = requests_of(store, await person(store, "ada"))
    for method, path, operation in operations(document):
        name = operation["operationId"]
        auth = OPERATOR_AUTH if operation.get("x-scope") == "operator" else store.auth
        yield name, method, path, asked.get(name, {}), auth


def in_use(database) -> dict[str, int]:
    return {purpose: pool.in_use for purpose, pool in database.pools.items() if pool.in_use}


@contextmanager
def a_thread_that_does_not_return():
    """The thread that writes messages is busy until the block ends."""
    ended = threading.Event()
    writing_thread._thread.submit(ended.wait, 60)
    try:
        yield
    finally:
        ended.set()


# ---------------------------------------------------------------- a thread


async def test_a_thread_that_does_not_return_holds_no_connection(api, both, database, document):
    store, neighbour = both
    waiting = {}
    async with AsyncExitStack() as held:
        held.enter_context(a_thread_that_does_not_return())
        async for name, method, path, request, auth in walk(api, document, store):
            if name == "eraseCustomer":  # the others need the customer
                continue
            if name in WRITTEN_FOR_EACH:
                request["json"] |= {"personalise": True, "text": "Hello {{ customer.name }}"}
            tasks = [asyncio.create_task(call(api, method, path, request, auth)) for _ in range(TRIES)]
            patience = 0.25 if name in WRITTEN_FOR_EACH else 5
            done, pending = await asyncio.wait(tasks, timeout=patience)
            assert all(task.result().status_code < 500 for task in done), name
            waiting[name] = len(pending)
            assert not (in_use(database) if pending else {}), name
            await answered(neighbour)
            for task in pending:
                task.cancel()
    assert {name for name, count in waiting.items() if count} >= WRITTEN_FOR_EACH


# ---------------------------------------------------------------- a lock


@asynccontextmanager
async def locked(sql, account: str):
    """Every row of the account is locked by another session."""
    number = int(account.removeprefix("acc_"))
    async with sql.transaction():
        await sql.execute("SELECT FROM accounts WHERE id = $1 FOR UPDATE", number)
        for table in ("sources", "senders", "customers", "orders", "messages", "api_keys", "audiences"):
            await sql.execute(f"SELECT FROM {table} WHERE account_id = $1 FOR UPDATE", number)
        yield


async def test_rows_that_another_session_has_locked_stop_their_account_alone_and_for_seconds(
    api, both, database, document, sql
):
    store, neighbour = both
    asked = [each async for each in walk(api, document, store)]
    statuses = {}
    async with locked(sql, store.account):
        for name, method, path, request, auth in asked:
            begun = time.monotonic()
            tasks = [asyncio.create_task(call(api, method, path, request, auth)) for _ in range(TRIES)]
            await asyncio.sleep(0.02)
            await answered(neighbour)
            answers = await asyncio.gather(*tasks)
            assert time.monotonic() - begun < 10, name
            statuses[name] = {answer.status_code for answer in answers}
            assert {500} & statuses[name] == set(), name
            for answer in answers:
                if answer.status_code in {429, 503}:
                    assert int(answer.headers["Retry-After"]) >= 1
            assert not in_use(database), name
    reads = {name for name, method, *_ in asked if method == "get"}
    assert all(max(statuses[name]) < 500 for name in reads if name != "readMetrics")
    assert {name for name, found in statuses.items() if 503 in found} >= {"storeOrders", "changeSource"}


# ---------------------------------------------------------------- a client


async def test_a_client_that_stops_reading_holds_no_connection(api, both, database, document):
    store, neighbour = both
    lines = [f"o{n},c{n},{'x' * 400},2026-03-01T12:00:00Z,5.00,paid" for n in range(3_000)]
    content = "\n".join(["order_id,customer_id,name,ordered_at,total,status", *lines, ""])
    assert (await store.load(content.encode())).status_code == 201
    host, port = api.base_url.host, api.base_url.port
    async with AsyncExitStack() as held:
        async for name, method, path, request, auth in walk(api, document, store):
            parameters = request.get("params", {}) | (
                {"limit": 1000} if name in {"readLeaderboard", "readVips"} else {}
            )
            for accept in ("*/*", "text/csv"):
                _, writer = await asyncio.open_connection(host, port, limit=256)
                held.push_async_callback(hang_up, writer)
                writer.write(raw(method, path.format(**request.get("path", {})), parameters, request, auth, accept))
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.5)
        assert not in_use(database)
        await answered(neighbour)
        assert (await api.get("/account", headers=store.auth)).status_code == 200


async def hang_up(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()
    await asyncio.sleep(0)


def raw(method: str, path: str, parameters: dict, request: dict, auth: dict, accept: str) -> bytes:
    """The request as bytes."""
    body = json.dumps(request["json"]).encode() if "json" in request else request.get("content", "").encode()
    fields = {"Host": "x", "Accept": accept, "Content-Length": str(len(body)), **auth, **request.get("headers", {})}
    if "json" in request:
        fields["Content-Type"] = "application/json"
    query = f"?{urlencode(parameters)}" if parameters else ""
    head = [f"{method.upper()} {path}{query} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
    return "\r\n".join(head).encode() + body
