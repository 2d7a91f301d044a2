"""What every answer carries, and how the service behaves at its edges."""

import asyncio
import gzip
import json
import re
import time
from contextlib import asynccontextmanager
from datetime import timedelta

import asyncpg
import httpx
import pytest
import structlog
from answers import CANARY, operations, problem
from conftest import NOW, serving, with_asyncpg
from postal import customer, queued, set_sender
from shop import OPERATOR, order

from app import monitoring
from app.accounts.api_key import fresh_key
from app.database.pools import Database
from app.main import create_app

pytestmark = pytest.mark.usefixtures("midday")

MARCH = {"time_frame": "custom", "start": "2026-03-01", "end": "2026-04-01"}


@asynccontextmanager
async def served(database, **settings):
    """The service with other settings."""
    app = create_app(database, admin_key=OPERATOR, **settings)
    async with serving(app) as url, httpx.AsyncClient(base_url=url, timeout=60) as client:
        yield client


# ---------------------------------------------------------------- what every answer carries


async def test_a_request_id_is_taken_over_where_it_is_safe_and_made_where_it_is_not(api):
    for given in ("a", "7f3a-1.x_y~z:/+=", "x" * 128):
        assert (await api.get("/livez", headers={"X-Request-Id": given})).headers["X-Request-Id"] == given
    for given in ("", "x" * 129, "a b", "a;b", "a\tb", "<script>", '"', "ä".encode()):
        for path in ("/livez", "/nowhere"):
            made = (await api.get(path, headers={"X-Request-Id": given})).headers["X-Request-Id"]
            assert re.fullmatch(r"[0-9a-f]{32}", made)
    two = [(await api.get("/livez")).headers["X-Request-Id"] for _ in range(2)]
    assert len(set(two)) == 2


async def test_an_unknown_path_is_404_and_so_is_one_with_a_slash_too_many(api, open_store):
    store = await open_store()
    for path in (
        "/nowhere",
        f"/{CANARY}",
        "/livez/",
        "/leaderboard/",
        "/%00",
    ):
        problem(await api.get(path, headers=store.auth), 404, "not_found")


async def test_a_wrong_method_is_405_and_allow_names_those_that_the_path_takes(api):
    for method, path, allowed in (
        ("PUT", "/audiences", "GET, POST"),
        ("DELETE", "/sources", "GET, POST"),
        ("PUT", "/sources/src_1", "DELETE, GET, PATCH"),
        ("PUT", "/sources/src_1/orders", "GET, POST"),
        ("PUT", "/sources/src_1/orders/1", "DELETE, GET"),
        ("POST", "/leaderboard", "GET"),
        ("DELETE", "/livez", "GET"),
        ("OPTIONS", "/account", "GET, PATCH"),
        ("GET", "/messages/preview", "POST"),
        ("DELETE", "/messages/batch", "POST"),
        ("DELETE", "/messages/templates", "GET"),
    ):
        answer = await api.request(method, path)
        problem(answer, 405, "method_not_allowed")
        assert answer.headers["Allow"] == allowed


async def test_head_is_not_offered(api, open_store):
    store = await open_store()
    for path in ("/livez", "/leaderboard", "/audiences"):
        answer = await api.head(path, headers=store.auth)
        assert (answer.status_code, answer.content) == (405, b"")
        assert "GET" in answer.headers["Allow"]


async def test_every_answer_carries_the_security_headers(api, open_store):
    store = await open_store()
    asked = [
        ("/livez", "no-store"),
        ("/nowhere", "no-store"),
        ("/account", "no-store"),
        ("/audiences", "no-store"),
        (f"/leaderboard?audience={store.audience}&source={store.source}", "private, no-cache"),
        ("/leaderboard?limit=x", "no-store"),
    ]
    for path, caching in asked:
        headers = (await api.get(path, headers=store.auth)).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert headers["Cache-Control"] == caching
        assert "X-Powered-By" not in headers


async def test_an_error_that_nobody_foresaw_is_500_with_all_that_others_carry(api, open_store, monkeypatch):
    store = await open_store()

    def fails(*_: object, **__: object) -> None:
        raise RuntimeError(CANARY)

    monkeypatch.setattr("app.leaderboard.routes.resolve", fails)
    with structlog.testing.capture_logs() as lines:
        answer = await api.get("/leaderboard", params=store.board(), headers=store.auth)

    problem(answer, 500, "internal_error")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    bug = next(line for line in lines if line["event"] == "bug")
    assert (bug["kind"], bug["request_id"]) == ("RuntimeError", answer.headers["X-Request-Id"])
    assert CANARY not in str(lines)


# ---------------------------------------------------------------- forms


async def test_the_form_is_the_one_that_accept_likes_best(api, open_store):
    store = await open_store()
    for accept, given in (
        ("*/*", "application/json"),
        ("", "application/json"),
        ("application/*", "application/json"),
        ("text/*", "text/csv; charset=utf-8"),
        ("text/csv", "text/csv; charset=utf-8"),
        ("application/x-ndjson", "application/x-ndjson"),
        ("application/json;q=0.5, text/csv", "text/csv; charset=utf-8"),
        ("text/html, */*;q=0.1", "application/json"),
        ("TEXT/CSV ; Q=1", "text/csv; charset=utf-8"),
        ("application/json;q=0, */*", "text/csv; charset=utf-8"),
    ):
        answer = await api.get("/leaderboard", params=store.board(), headers=store.auth | {"Accept": accept})
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, given), accept
    for accept in (
        "text/html",
        "application/xml",
        "image/*",
        "application/json;q=0",
        "nonsense",
        "text/csv;q=x",
        b"text/csv;q=\xb2",
    ):
        answer = await api.get("/leaderboard", params=store.board(), headers=store.auth | {"Accept": accept})
        problem(answer, 406, "not_acceptable")


async def test_an_answer_from_1_kb_on_is_compressed_and_its_etag_stays_weak(api, open_store):
    store = await open_store()
    await store.sold(("ada", "10.00"))
    small = await api.get("/leaderboard", params=store.board(**MARCH, limit=1), headers=store.auth)
    await store.sold(*((f"customer-{number}", "5.00") for number in range(30)))
    question = store.board(**MARCH)

    plain = await api.get("/leaderboard", params=question, headers=store.auth | {"Accept-Encoding": "identity"})
    packed = await api.get("/leaderboard", params=question, headers=store.auth | {"Accept-Encoding": "gzip"})
    known = store.auth | {"Accept-Encoding": "gzip", "If-None-Match": packed.headers["ETag"]}
    again = await api.get("/leaderboard", params=question, headers=known)

    assert "Content-Encoding" not in small.headers
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert packed.json() == plain.json()
    assert packed.headers["ETag"] == plain.headers["ETag"]
    assert packed.headers["ETag"].startswith('W/"')
    assert "Accept-Encoding" in packed.headers["Vary"]
    assert "Authorization" in packed.headers["Vary"]
    assert (again.status_code, again.content) == (304, b"")


# ---------------------------------------------------------------- pages


async def test_the_link_header_leads_through_all_pages_as_it_stands(api, open_store):
    store = await open_store()
    await store.sold(*((f"c{number}", f"{number}.00") for number in range(1, 8)))
    for _ in range(3):
        await open_store(beside=store)
    for path, question, size in (
        ("/leaderboard", store.board(**MARCH, limit=3, rank_by="average_order_amount"), 7),
        ("/leaderboard", store.board(time_frame="month_to_date", limit=2, compare="previous"), 7),
        ("/audiences", {"limit": 3}, 4),
        ("/sources", {"limit": 1, "audience": store.audience}, 1),
        ("/sources", {"limit": 2}, 4),
    ):
        seen, link, answer = [], None, await api.get(path, params=question, headers=store.auth)
        for _ in range(10):
            seen += [json.dumps(row) for row in answer.json()["items"]]
            link = answer.headers.get("Link")
            assert (link is None) == (answer.json()["next_cursor"] is None)
            if link is None:
                break
            (target,) = re.findall(r'^<(/[^>]+)>; rel="next"$', link)
            answer = await api.get(target, headers=store.auth)
            assert answer.status_code == 200, answer.text
        assert link is None
        assert len(seen) == len(set(seen)) == size


async def test_a_cursor_of_another_query_or_account_or_nobody_is_400(api, open_store):
    store, other = await open_store(), await open_store()
    for each in (store, other):
        await each.sold(("ada", "3.00"), ("bea", "2.00"), ("cyd", "1.00"))
        await open_store(beside=each)
        await api.post("/account/keys", json={"name": "k", "scopes": ["read"]}, headers=each.auth)
    board = (await store.ask(**MARCH, limit=1))["next_cursor"]
    theirs = (await other.ask(**MARCH, limit=1))["next_cursor"]
    lists = {
        path: (await api.get(path, params={"limit": 1}, headers=store.auth)).json()["next_cursor"]
        for path in ("/audiences", "/sources", "/account/keys")
    }
    turned = board[:-2] + ("A" if board[-2] != "A" else "B") + board[-1]
    forged = [
        theirs,
        *lists.values(),
        turned,
        board[::-1],
        "A" * 40,
        "A" * 24,
        "x",
        "!" * 40,
        board + "AAAA",
        "é",
        "\0",
    ]
    for cursor in forged:
        answer = await api.get("/leaderboard", params=store.board(**MARCH, limit=1, cursor=cursor), headers=store.auth)
        problem(answer, 400, "invalid_cursor")
    for change in (
        {"rank_by": "number_of_purchases"},
        {"compare": "previous"},
        {"end": "2026-03-31"},
        {"as_of": "2026-03-17T00:00:00Z"},
    ):
        answer = await api.get("/leaderboard", params=store.board(**MARCH | change, cursor=board), headers=store.auth)
        problem(answer, 400, "invalid_cursor")
    for path, own in lists.items():
        for cursor in {*forged, *lists.values(), board} - {own}:
            answer = await api.get(path, params={"limit": 1, "cursor": cursor}, headers=store.auth)
            problem(answer, 400, "invalid_cursor")
    only_here = await api.get(
        "/sources", params={"audience": store.audience, "cursor": lists["/sources"]}, headers=store.auth
    )
    problem(only_here, 400, "invalid_cursor")


# ---------------------------------------------------------------- browsers


async def test_no_origin_is_allowed_unless_it_is_named(api):
    for headers in ({"Origin": "https://shop.example"}, {"Origin": "null"}):
        answer = await api.get("/livez", headers=headers)
        assert not [name for name in answer.headers if name.startswith("access-control")]


async def test_only_the_named_origin_may_read(database):
    shop = "https://shop.example"
    async with served(database, cors_origins=(shop,)) as api:
        allowed = await api.get("/account", headers={"Origin": shop})
        assert allowed.headers["Access-Control-Allow-Origin"] == shop
        assert "Origin" in allowed.headers["Vary"]
        assert "Access-Control-Allow-Credentials" not in allowed.headers
        exposed = allowed.headers["Access-Control-Expose-Headers"]
        assert {"ETag", "Link", "Retry-After", "X-Request-Id"} <= {each.strip() for each in exposed.split(",")}
        for trick in (
            "https://shop.example.evil.example", "https://evilshop.example", "http://shop.example", "null", "*",
            "https://shop.example:8443", "https://SHOP.example", "https://shop.example/", "https://a.shop.example",
        ):  # fmt: skip
            refused = await api.get("/account", headers={"Origin": trick})
            assert "Access-Control-Allow-Origin" not in refused.headers, trick
        asking = {
            "Origin": shop,
            "Access-Control-Request-Method": "GET",
            "Access-Control-Request-Headers": "authorization",
        }
        preflight = await api.options("/leaderboard", headers=asking)
        assert preflight.status_code == 200
        assert preflight.headers["Access-Control-Allow-Methods"] == "GET"
        for change in ({"Access-Control-Request-Method": "DELETE"}, {"Origin": "https://evil.example"}):
            assert (await api.options("/leaderboard", headers=asking | change)).status_code == 400


async def test_the_named_origin_may_post_exactly_where_a_browser_token_may(database):
    shop = "https://shop.example"
    sent = {
        "Origin": shop,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization, content-type, idempotency-key",
    }
    async with served(database, cors_origins=(shop,)) as api:
        document = (await api.get("/openapi.json")).json()
        for method, path, operation in operations(document):
            if method == "POST":
                preflight = await api.options(path, headers=sent)
                may_post = "x-token" in operation
                assert preflight.status_code == (200 if may_post else 400), path
                assert (await api.options(path, headers=sent | {"Origin": "https://evil.example"})).status_code == 400
        posted = await api.post("/messages", headers={"Origin": shop})
        assert (posted.status_code, posted.headers["Access-Control-Allow-Origin"]) == (401, shop)


# ---------------------------------------------------------------- operation


async def test_readiness_is_503_until_the_database_is_migrated(api, sql):
    assert (await api.get("/readyz")).json() == {"status": "ok"}
    await sql.execute("UPDATE alembic_version SET version_num = 'older'")
    answer = await api.get("/readyz")
    problem(answer, 503, "service_unavailable")
    assert int(answer.headers["Retry-After"]) >= 1
    await sql.execute("DROP TABLE alembic_version")
    problem(await api.get("/readyz"), 503, "service_unavailable")
    assert (await api.get("/livez")).status_code == 200


async def test_metrics_are_labelled_by_route_and_hold_no_id(api, open_store):
    store = await open_store()
    await store.sold(("ada", "1.00"))
    await api.get(f"/sources/{store.source}", headers=store.auth)
    await api.delete(f"/sources/{store.source}/orders/{CANARY}", headers=store.auth)
    await api.get(f"/{CANARY}")
    await api.get("/leaderboard", params=store.board(around=CANARY), headers=store.auth)

    text = (await api.get("/metrics")).text

    assert 'http_requests_total{method="GET",route="/sources/{id}",status="200"} 1.0' in text
    assert 'route="/leaderboard"' in text
    assert CANARY not in text
    assert store.source not in text
    assert store.audience not in text


async def test_metrics_tell_what_waits_for_the_worker(open_store, clock, monkeypatch):
    monkeypatch.setattr(monitoring, "SCRAPE_SECONDS", 0)
    store = await open_store()
    clock.now = NOW
    await set_sender(store)
    ada = await customer(store, "ada")
    before = (await store.api.get("/metrics")).text
    await queued(store, ada)
    clock.now += timedelta(seconds=90)

    after = (await store.api.get("/metrics")).text.splitlines()

    assert "messages_waiting 0.0" in before
    assert {"database_up 1.0", "messages_waiting 1.0", "messages_overdue_seconds 90.0", "messages_held 0.0"} <= {*after}


async def test_metrics_do_not_grow_with_what_strangers_send(api):
    for number in range(50):
        await api.put(f"/{number}")
        await api.get(f"/problems/{number}")
    labels = [line for line in (await api.get("/metrics")).text.splitlines() if line.startswith("http_requests_total")]
    assert len(labels) < 10, labels


# ---------------------------------------------------------------- the database is busy or gone


@pytest.fixture
async def impatient(urls):
    """A database of one connection each way, which waits for it only shortly."""
    database = Database(with_asyncpg(urls.write), with_asyncpg(urls.read), pool_size=1, pool_wait_seconds=0.2)
    yield database
    await database.close()


async def test_an_exhausted_pool_is_503_soon_and_the_others_go_on(open_store, impatient):
    store = await open_store()
    page = {"params": store.board(time_frame="all_time"), "headers": store.auth}
    async with served(impatient) as api:
        asked = {
            "params": store.board(time_frame="custom", start="2026-01-01", end="2026-02-01"),
            "headers": store.auth,
        }
        assert (await api.get("/leaderboard", **asked)).status_code == 200
        async with impatient.answering.connect(), impatient.writing.connect():
            begun = time.monotonic()
            read = await api.get("/leaderboard", **asked)
            tables = [
                await api.get("/leaderboard", params=asked["params"], headers=store.auth | {"Accept": form})
                for form in ("text/csv", "application/x-ndjson")
            ]
            written = await api.post("/audiences", json={"name": "x"}, headers=store.auth)
            assert time.monotonic() - begun < 3
            for answer in (read, *tables, written):
                problem(answer, 503, "service_unavailable")
                assert int(answer.headers["Retry-After"]) >= 1
            for other in (await api.get("/livez"), await api.get("/readyz"), await api.get("/leaderboard", **page)):
                assert other.status_code == 200
        async with impatient.reading.connect():
            problem(await api.get("/leaderboard", **page), 503, "service_unavailable")
            assert (await api.get("/readyz")).status_code == 200
        assert (await api.get("/leaderboard", **asked)).status_code == 200
        assert (await api.post("/audiences", json={"name": "x"}, headers=store.auth)).status_code == 201


async def test_connections_that_the_server_ends_cost_a_503_at_most_and_then_all_is_well(
    api, open_store, postgres, urls
):
    store = await open_store()
    await store.sold(("ada", "1.00"))
    superuser = await asyncpg.connect(postgres.superuser)
    for turn in range(5):
        await superuser.fetch("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", urls.name)
        for _ in range(2):
            read = await api.get("/leaderboard", params=store.board(**MARCH), headers=store.auth)
            written = await store.post(order(f"o-{turn}", "ada"))
            for answer in (read, written):
                assert answer.status_code == 200 or problem(answer, 503, "service_unavailable")
        assert (read.status_code, written.status_code) == (200, 200)
    await superuser.close()
    assert (await store.ask(**MARCH))["number_of_purchases"] == 6


async def test_a_database_that_is_gone_is_503_and_needs_no_restart_of_ours_when_it_is_back(
    api, open_store, postgres, urls
):
    store = await open_store()
    await store.sold(("ada", "1.00"))
    away = f"{urls.name}_away"
    ended = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{urls.name}'"
    await postgres.run(ended, f"ALTER DATABASE {urls.name} RENAME TO {away}")
    try:
        for _ in range(2):
            for answer in (
                await api.get("/leaderboard", params=store.board(**MARCH), headers=store.auth),
                await store.post(order("2", "ada")),
                await api.get("/readyz"),
            ):
                problem(answer, 503, "service_unavailable")
                assert int(answer.headers["Retry-After"]) >= 1
        assert (await api.get("/livez")).status_code == 200
    finally:
        await postgres.run(f"ALTER DATABASE {away} RENAME TO {urls.name}")
    assert (await api.get("/readyz")).status_code == 200
    assert (await store.send(order("2", "ada")))["created"] == 1


async def test_a_server_that_cannot_be_reached_is_503(open_store):
    for url in ("postgresql+asyncpg://u:p@127.0.0.1:1/x", "postgresql+asyncpg://u:p@no-such-host.invalid/x"):
        database = Database(url, None, pool_size=1, pool_wait_seconds=0.2)
        async with served(database) as api:
            problem(await api.get("/readyz"), 503, "service_unavailable")
            headers = {"Authorization": f"Bearer {fresh_key(1)}"}
            problem(await api.get("/account", headers=headers), 503, "service_unavailable")
        await database.close()


# ---------------------------------------------------------------- logs


async def test_no_log_line_holds_a_person_a_key_or_a_query(api, open_store, monkeypatch, capfd, sql):
    store = await open_store(name=f"Shop {CANARY}")
    address, key = f"{CANARY}@example.test", fresh_key(1)
    row = order(CANARY, CANARY, email=address, name=f"Name {CANARY}")
    odd = {"X-Request-Id": f"{CANARY} x", "User-Agent": CANARY, "Referer": f"https://{CANARY}.example"}
    with structlog.testing.capture_logs() as lines:
        await store.send(row)
        await store.post(row | {"total": CANARY})
        await store.load(json.dumps(row | {"order_id": f"2{CANARY}"}).encode(), "application/x-ndjson")
        await store.load(f"order_id,{CANARY}\n".encode())
        await store.load(gzip.compress(CANARY.encode())[:-3])
        for name, value in (("around", CANARY), ("cursor", CANARY * 5), ("limit", CANARY), (CANARY, "1")):
            await api.get("/leaderboard", params=store.board() | {name: value}, headers=store.auth | odd)
        for method, path in (
            ("GET", f"/{CANARY}"), ("GET", f"/sources/{CANARY}"), ("POST", "/audiences"),
            ("DELETE", f"/sources/{store.source}/orders/{CANARY}"), ("PUT", "/livez"), ("GET", f"/problems/{CANARY}"),
        ):  # fmt: skip
            await api.request(method, path, content=f'{{"name": "{CANARY}"', headers=store.auth | odd)
        await api.get("/account", headers={"Authorization": f"Bearer {key}"})
        await api.get("/account", headers={"Authorization": f"Basic {CANARY}"})
        await sql.execute("ALTER TABLE customers ADD CONSTRAINT fails CHECK (name NOT LIKE '%third%')")
        failed = await store.post(order(f"3{CANARY}", f"3{CANARY}", name=f"third {CANARY}", email=f"3{address}"))
        problem(failed, 500, "internal_error")
    told = json.dumps(lines, default=str) + "".join(capfd.readouterr())

    assert len(lines) > 15
    assert CANARY not in told.lower()
    assert store.key not in told
    assert key not in told
    assert OPERATOR not in told
    assert "limit" not in told
    assert all(set(line) <= LOGGED for line in lines), {name for line in lines for name in line} - LOGGED


LOGGED = {
    "account_id",
    "key_id",
    "event",
    "log_level",
    "method",
    "route",
    "status",
    "milliseconds",
    "request_id",
    "kind",
    "sqlstate",
    "code",
    "at",
}


async def test_many_clients_that_go_away_leave_no_connection_behind(api, open_store, sql, urls):
    store = await open_store()
    await store.sold(*((f"c{number}", "1.00") for number in range(200)))
    url = httpx.URL(api.base_url).copy_with(path="/leaderboard")
    for number in range(30):
        asking = asyncio.create_task(
            api.get(str(url), params=store.board(**MARCH), headers=store.auth | {"Accept": "text/csv"})
        )
        await asyncio.sleep(number / 3000)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
    assert (await store.ask(**MARCH))["customers"] == 200
    assert (
        await sql.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = $1 AND state LIKE 'idle in transaction%'", urls.name
        )
        == 0
    )
