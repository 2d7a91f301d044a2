"""Fairness: one client that is slow, or asks for too much, costs the others nothing."""

import asyncio
import json
import time
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import timedelta
from urllib.parse import urlencode, urlsplit

import httpx
import pytest
from answers import MEMBERS, problem
from conftest import NOW, OPERATOR, serving, with_asyncpg
from postal import until
from shop import order
from sqlalchemy import text

from app import http_server
from app.accounts import access, guarded_route
from app.accounts.api_key import fresh_key
from app.admission import FairUse, InFlight
from app.boards.conditional import MOST_FILES_OF_AN_ACCOUNT
from app.boards.source import read_source
from app.boards.verify import verify
from app.database.pools import Database
from app.main import create_app
from app.worker import work_once

pytestmark = pytest.mark.usefixtures("midday")

MANY_ROWS = 12_000
LONG_NAME = "x" * 450


@asynccontextmanager
async def connected(api: httpx.AsyncClient):
    """A bare connection whose client decides what it reads; little of an answer fits into its buffers."""
    address = urlsplit(str(api.base_url))
    reader, writer = await asyncio.open_connection(address.hostname, address.port, limit=1024)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


def head(method: str, path: str, key: str = "", **headers: str) -> bytes:
    fields = {"Host": "x", **headers} | ({"Authorization": f"Bearer {key}"} if key else {})
    return "\r\n".join([f"{method} {path} HTTP/1.1", *(f"{n}: {v}" for n, v in fields.items()), "", ""]).encode()


async def status_of(reader: asyncio.StreamReader) -> int:
    return int((await reader.readline()).split()[1])


@pytest.fixture
async def large(open_store):
    """A store whose files are larger than what the buffers of a connection hold."""
    store = await open_store()
    rows = (f"o{n},c{n},{LONG_NAME},2026-03-01T12:00:00Z,{n % 97}.00,paid" for n in range(MANY_ROWS))
    answer = await store.load("\n".join(["order_id,customer_id,name,ordered_at,total,status", *rows, ""]).encode())
    assert answer.json()["created"] == MANY_ROWS
    return store


# ---------------------------------------------------------------- files


async def test_a_client_that_stops_reading_a_file_holds_no_connection(api, large, open_store):
    neighbour = await open_store()
    path = f"/leaderboard?{urlencode(large.board(time_frame='all_time'))}"
    async with connected(api) as (reader, writer):
        writer.write(head("GET", path, large.key, Accept="text/csv"))
        assert await status_of(reader) == 200
        for store in (large, neighbour):  # expensive reads have one connection in the tests
            assert await store.ask(time_frame="custom", start="2026-01-01", end="2026-04-01")


async def test_an_account_has_a_few_files_under_way_and_no_more(api, large, open_store):
    neighbour = await open_store()
    path = f"/leaderboard?{urlencode(large.board(time_frame='all_time'))}"
    file = {"params": large.board(time_frame="all_time"), "headers": large.auth | {"Accept": "text/csv"}}
    async with AsyncExitStack() as held:
        for _ in range(MOST_FILES_OF_AN_ACCOUNT):
            reader, writer = await held.enter_async_context(connected(api))
            writer.write(head("GET", path, large.key, Accept="text/csv"))
            assert await status_of(reader) == 200
        refused = await api.get("/leaderboard", **file)
        problem(refused, 429, "too_many_requests")
        assert int(refused.headers["Retry-After"]) >= 1
        others = neighbour.auth | {"Accept": "text/csv"}
        theirs = await api.get("/leaderboard", params=neighbour.board(time_frame="all_time"), headers=others)
        assert theirs.status_code == 200
    whole = await until_answered(api, **file)
    assert len(whole.text.splitlines()) == MANY_ROWS + 1


async def until_answered(api: httpx.AsyncClient, **file) -> httpx.Response:
    """The file, once the service has noticed that the others are given up."""
    for _ in range(100):
        answer = await api.get("/leaderboard", **file)
        if answer.status_code == 200:
            return answer
        await asyncio.sleep(0.05)
    raise AssertionError(answer.text)


# ---------------------------------------------------------------- admission


@pytest.fixture
async def strict(urls):
    """A service that lets two requests of a key and three in all be under way."""
    database = Database(with_asyncpg(urls.write), with_asyncpg(urls.read), pool_size=2, pool_wait_seconds=5)
    limits = InFlight(in_all=4, of_an_account=3, of_a_key=2, without_a_key=2)
    app = create_app(database, admin_key=OPERATOR, clock=lambda: NOW, fair_use=FairUse(in_flight=limits))
    async with serving(app) as url, httpx.AsyncClient(base_url=url) as api:
        yield api
    await database.close()


async def test_a_key_has_some_requests_under_way_and_the_rest_is_refused_at_once(strict, open_store):
    store, neighbour = await open_store(), await open_store()
    assert (await strict.get("/account", headers=store.auth)).status_code == 200
    fields = {"Content-Length": "9", "Content-Type": "application/json"}
    unfinished = head("POST", f"/sources/{store.source}/orders", store.key, **fields)
    async with AsyncExitStack() as held:
        for _ in range(2):
            _, writer = await held.enter_async_context(connected(strict))
            writer.write(unfinished)
        await asyncio.sleep(0.2)
        refused = await strict.get("/account", headers=store.auth)
        problem(refused, 429, "too_many_requests")
        assert 1 <= int(refused.headers["Retry-After"]) <= 3
        for path in ("/account", "/sources"):
            assert (await strict.get(path, headers=neighbour.auth)).status_code == 200
        assert (await strict.get("/livez")).status_code == 200
    await asyncio.sleep(0.2)
    assert (await strict.get("/account", headers=store.auth)).status_code == 200


async def test_keys_that_somebody_made_up_take_nothing_from_the_account_that_they_name(strict, open_store):
    store = await open_store()
    assert (await strict.get("/account", headers=store.auth)).status_code == 200
    account_id = int(store.account.removeprefix("acc_"))
    fields = {"Content-Length": "9", "Content-Type": "application/json"}
    async with AsyncExitStack() as held:
        for _ in range(3):
            _, writer = await held.enter_async_context(connected(strict))
            writer.write(head("POST", "/webhooks/mail/postmark", fresh_key(account_id), **fields))
        await asyncio.sleep(0.2)
        assert (await strict.get("/account", headers=store.auth)).status_code == 200


async def test_requests_without_a_key_do_not_keep_out_those_with_one(strict, open_store):
    store = await open_store()
    assert (await strict.get("/account", headers=store.auth)).status_code == 200
    async with AsyncExitStack() as held:
        for _ in range(2):
            _, writer = await held.enter_async_context(connected(strict))
            writer.write(head("POST", "/webhooks/mail/postmark", **{"Content-Length": "9"}))
            writer.write(head("POST", "/u/x", **{"Content-Length": "9", "Content-Type": "x/y"}))
        await asyncio.sleep(0.2)
        assert (await strict.get("/account", headers=store.auth)).status_code == 200


# ---------------------------------------------------------------- what costs a client nothing to send


@pytest.mark.parametrize(
    "fields",
    [
        b"X: " + b"a" * (http_server.MOST_HEADER_BYTES + 1) + b"\r\n",
        b"".join(b"X-%d: %s\r\n" % (n, b"a" * 1000) for n in range(80)),
        b"".join(b"X-%d: a\r\n" % n for n in range(http_server.MOST_HEADER_FIELDS + 1)),
        b"X: " + b"a" * 5_000_000,
    ],
)
async def test_headers_that_are_too_large_are_431(api, fields):
    async with connected(api) as (reader, writer):
        writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\n" + fields + b"\r\n")
        assert await status_of(reader) == 431
        told = json.loads((await reader.read(2000)).partition(b"\r\n\r\n")[2])
    assert set(told) == MEMBERS
    assert told["code"] == "headers_too_large"
    assert (await api.get(told["type"])).status_code == 200


async def test_headers_that_just_fit_are_read(api):
    fields = b"".join(b"X-%d: %s\r\n" % (n, b"a" * 600) for n in range(http_server.MOST_HEADER_FIELDS - 1))
    async with connected(api) as (reader, writer):
        writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\n" + fields + b"\r\n")
        assert await status_of(reader) == 200


async def test_what_is_not_http_is_a_problem_that_repeats_nothing(api):
    async with connected(api) as (reader, writer):
        writer.write(b"canary7f3a\x00\r\n\r\n")
        whole = await reader.read(2000)
    assert whole.startswith(b"HTTP/1.1 400 ")
    assert b"canary" not in whole
    told = json.loads(whole.partition(b"\r\n\r\n")[2])
    assert set(told) == MEMBERS
    assert b"x-request-id: " + told["request_id"].encode() in whole
    assert (await api.get(told["type"])).status_code == 200


async def test_headers_that_never_end_cost_a_connection_for_a_short_time(api, monkeypatch):
    monkeypatch.setattr(http_server, "HEADERS_SECONDS", 0.3)
    for sent in (b"", b"GET /livez HTTP/1.1\r\nHost:"):
        async with connected(api) as (reader, writer):
            writer.write(sent)
            begun = time.monotonic()
            with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
                await reader.readexactly(1)
            assert time.monotonic() - begun < 5


async def test_a_body_that_does_not_arrive_is_408(api, open_store, monkeypatch):
    monkeypatch.setattr(guarded_route, "BODY_SECONDS", 0.3)
    store = await open_store()
    for path, media_type in (("orders", "application/json"), ("imports", "text/csv")):
        async with connected(api) as (reader, writer):
            fields = {"Content-Length": "900", "Content-Type": media_type}
            writer.write(head("POST", f"/sources/{store.source}/{path}", store.key, **fields) + b"or")
            assert await status_of(reader) == 408
            assert b"body_too_slow" in await reader.read(2000)


async def test_an_answer_that_nobody_reads_ends_the_connection(api, large, monkeypatch):
    monkeypatch.setattr(http_server, "WRITE_SECONDS", 0.3)
    path = f"/leaderboard?{urlencode(large.board(time_frame='all_time'))}"
    async with connected(api) as (reader, writer):
        writer.write(head("GET", path, large.key, Accept="application/x-ndjson"))
        await status_of(reader)
        await asyncio.sleep(1.5)
        received = 0
        with suppress(ConnectionResetError):
            while part := await reader.read(1 << 16):
                received += len(part)
    assert received < 500 * MANY_ROWS


# ---------------------------------------------------------------- writes


async def test_a_locked_source_costs_its_writers_some_seconds_and_nobody_else_anything(api, open_store, sql):
    store, neighbour = await open_store(), await open_store()
    async with sql.transaction():
        await sql.execute("SELECT FROM sources WHERE id = $1 FOR UPDATE", store.source_id)
        begun = time.monotonic()
        writes = [
            asyncio.create_task(api.patch(f"/sources/{store.source}", json={"name": "x"}, headers=store.auth))
            for _ in range(3)
        ]
        await asyncio.sleep(0.5)
        assert (await neighbour.ask(time_frame="all_time"))["customers"] == 0
        first = await writes[0]
        problem(first, 503, "service_unavailable")
        assert time.monotonic() - begun < 6
    assert {(await each).status_code for each in writes[1:]} <= {200, 503}
    assert (await api.patch(f"/sources/{store.source}", json={"name": "x"}, headers=store.auth)).status_code == 200


async def test_a_new_calendar_is_followed_board_by_board(open_store, database, clock, statements):
    store = await open_store()
    await store.send(
        *(order(f"o{n}", f"c{n % 7}", "5.00", (NOW - timedelta(days=9 * n)).isoformat()) for n in range(60))
    )
    changed = await store.api.patch(f"/sources/{store.source}", json={"time_zone": "Asia/Tokyo"}, headers=store.auth)
    assert changed.status_code == 200
    with statements.during() as ran:
        await work_once(database, clock)
    assert sum("INSERT INTO boards" in statement for _, statement in ran) > 5
    assert sum("FOR NO KEY UPDATE" in statement for _, statement in ran) > 5
    async with database.read() as conn:
        source = await read_source(conn, int(store.account.removeprefix("acc_")), store.source_id)
    assert await verify(database, source) == []


COLUMNS = b"order_id,customer_id,ordered_at,total,status\n"


def rows(first: int, last: int, total: str = "5.00") -> bytes:
    return b"".join(b"o%d,ada,2026-03-01T12:00:00Z,%s,paid\n" % (n, total.encode()) for n in range(first, last))


async def test_a_source_has_one_import_and_an_account_two(api, open_store):
    stores = [await open_store()]
    stores += [await open_store(beside=stores[0]) for _ in range(2)]
    fields = {"Content-Length": "9999", "Content-Type": "text/csv"}
    async with AsyncExitStack() as held:
        for store in stores[:2]:
            _, writer = await held.enter_async_context(connected(api))
            writer.write(head("POST", f"/sources/{store.source}/imports", store.key, **fields) + COLUMNS)
        await asyncio.sleep(0.2)
        for store in (stores[0], stores[2]):
            refused = await store.load(COLUMNS + rows(0, 3))
            problem(refused, 429, "too_many_requests")
            assert int(refused.headers["Retry-After"]) >= 1
        assert (await (await open_store()).load(COLUMNS + rows(0, 3))).status_code == 201


async def test_an_import_of_the_wrong_file_ends_early_and_says_what_it_has_stored(open_store, sql):
    store = await open_store()
    answer = await store.load(COLUMNS + rows(0, 7) + b"x\n" * 30_000 + rows(7, 9))
    told = problem(answer, 422, "too_many_refused_rows")["import"]
    assert (told["created"], told["rejected_count"], told["received"]) == (7, 10_000, 10_007)
    assert told["rejected"][0]["line"] == 9
    assert await sql.fetchval("SELECT count(*) FROM orders WHERE source_id = $1", store.source_id) == 7


async def test_a_revoked_key_stores_no_further_batch(api, open_store, sql, monkeypatch):
    monkeypatch.setattr(access, "KEY_REMEMBERED_SECONDS", 0.1)
    store = await open_store()
    made = await api.post("/account/keys", json={"name": "k", "scopes": ["write"]}, headers=store.auth)
    key, key_id = made.json()["key"], made.json()["id"]
    stored = "SELECT count(*) FROM orders WHERE source_id = $1"

    async def first_batch_is_stored() -> bool:
        return await sql.fetchval(stored, store.source_id) >= 5_000

    async def stream():
        yield COLUMNS + rows(0, 10_001)
        await until(first_batch_is_stored)
        await api.delete(f"/account/keys/{key_id}", headers=store.auth)
        await asyncio.sleep(0.3)
        for first in range(10_001, 60_000, 5_000):
            yield rows(first, first + 5_000)

    headers = {"Authorization": f"Bearer {key}", "Content-Type": "text/csv"}
    answer = await api.post(f"/sources/{store.source}/imports", content=stream(), headers=headers)
    told = problem(answer, 401, "key_required")["import"]
    assert told["created"] == await sql.fetchval(stored, store.source_id) <= 15_000
    assert (await store.ask(time_frame="all_time"))["number_of_purchases"] == told["created"]


# ---------------------------------------------------------------- scopes


async def test_what_shows_people_needs_the_scope_to_read(api, open_store):
    store = await open_store()
    await store.send(order("1", "ada", email="ada@example.test", name="Ada"))
    found = (await api.get("/customers", params={"source": store.source}, headers=store.auth)).json()["items"][0]
    keys = {}
    for scope in ("write", "send"):
        made = await api.post("/account/keys", json={"name": scope, "scopes": [scope]}, headers=store.auth)
        keys[scope] = {"Authorization": f"Bearer {made.json()['key']}"}

    changed = await api.patch(f"/customers/{found['id']}", json={"marketing": "subscribed"}, headers=keys["write"])
    assert changed.status_code == 200
    assert [changed.json()[name] for name in ("marketing", "name", "email", "external_id")] == ["subscribed"] + [
        None
    ] * 3
    problem(await api.get(f"/customers/{found['id']}/export", headers=keys["send"]), 403, "scope_required")
    words = {"subject": "Hello", "text": "Hello {{ customer.name }}", "personalise": True}
    of_customer = await api.post("/messages/preview", json=words | {"customer": found["id"]}, headers=keys["send"])
    problem(of_customer, 403, "scope_required")
    for to in ({"top": store.board(limit=1)}, {"vips": store.board(limit=1)}):
        headers = keys["send"] | {"Idempotency-Key": "x"}
        problem(await api.post("/messages/batch", json=words | {"to": to}, headers=headers), 403, "scope_required")


async def test_what_counts_a_whole_source_has_no_limit_of_time_and_the_next_write_has_one(open_store, database):
    store = await open_store()
    names = ("statement_timeout", "lock_timeout", "transaction_timeout")

    async def limits(conn) -> list[str]:
        return [(await conn.execute(text(f"SELECT current_setting('{name}')"))).scalar_one() for name in names]

    async with database.write_patiently(store.source_id) as conn:
        assert await limits(conn) == ["0", "30s", "0"]
    async with database.write_in_turn(store.source_id) as conn:
        assert await limits(conn) == ["30s", "2s", "30s"]
    async with database.read() as conn:
        assert await limits(conn) == ["5s", "0", "5s"]


async def test_an_import_outlasts_another_process_that_has_locked_its_source(open_store, sql):
    store = await open_store()
    async with sql.transaction():
        await sql.execute("SELECT FROM sources WHERE id = $1 FOR NO KEY UPDATE", store.source_id)
        importing = asyncio.create_task(store.load(COLUMNS + rows(0, 20)))
        await asyncio.sleep(3.5)
        assert not importing.done()
    assert (await importing).json()["created"] == 20
