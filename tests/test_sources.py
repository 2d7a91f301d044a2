"""Audiences and sources: what can be connected, listed and changed, and the figures of a store's health."""

import gzip
import json
from datetime import UTC, datetime, timedelta

import pytest
from answers import pointers
from shop import METRICS, order

from app.boards.source import read_source
from app.boards.verify import verify
from app.orders import import_orders

pytestmark = pytest.mark.usefixtures("among_others", "midday")

EMPTY = {
    "orders": 0,
    "purchases": 0,
    "customers": 0,
    "unattributed": 0,
    "foreign_currency": 0,
    "quarantined": 0,
    "history_from": None,
    "last_order_at": None,
}


async def health(store) -> dict:
    answer = await store.api.get(f"/sources/{store.source}", headers=store.auth)
    assert answer.status_code == 200, answer.text
    return answer.json()["health"]


async def changed(store, **fields):
    return await store.api.patch(f"/sources/{store.source}", json=fields, headers=store.auth)


# ---------------------------------------------------------------- connecting and listing


async def test_a_source_shows_what_it_was_connected_with(api, open_store):
    store = await open_store(name="  Shop Roma ", currency="KWD", time_zone="Asia/Kuwait", week_start="sunday")
    plain = await open_store(beside=store)

    shown = (await api.get(f"/sources/{store.source}", headers=store.auth)).json()
    listed = (await api.get("/sources", headers=store.auth)).json()

    assert shown == {
        "id": store.source,
        "audience": store.audience,
        "name": "Shop Roma",
        "platform": "custom",
        "currency": "KWD",
        "time_zone": "Asia/Kuwait",
        "week_start": "sunday",
        "url": None,
        **dict.fromkeys(("sender", "postal_address", "language", "consent_sentence")),
        "connection": "none",
        "created_at": "2026-03-18T12:00:00Z",
        "health": EMPTY,
        "sync": None,
    }
    assert [row["id"] for row in listed["items"]] == [store.source, plain.source]
    assert listed["items"][0] == {name: value for name, value in shown.items() if name not in {"health", "sync"}}
    assert listed["items"][1]["week_start"] == "monday"


async def test_every_platform_currency_and_kind_of_zone_can_be_connected(open_store):
    store = await open_store()
    for fields in (
        {"platform": "shopify"},
        {"platform": "woocommerce"},
        {"platform": "mailchimp"},
        {"currency": "JPY"},
        {"currency": "CLF"},
        {"time_zone": "America/Argentina/Buenos_Aires"},
        {"time_zone": "Etc/GMT+12"},
        {"time_zone": "Asia/Kathmandu"},
        {"name": "x" * 200},
        {"name": "Läden & Söhne 🛍"},
    ):
        assert await open_store(beside=store, **fields)


async def test_audiences_of_the_same_name_are_two(api, open_store):
    store = await open_store()
    made = [(await api.post("/audiences", json={"name": "Everyone"}, headers=store.auth)).json() for _ in range(2)]
    listed = (await api.get("/audiences", headers=store.auth)).json()["items"]

    assert listed[1:] == made
    assert {row["name"] for row in listed} == {"Everyone"}
    assert len({row["id"] for row in listed}) == 3


async def test_a_wrong_audience_is_422_and_stores_nothing(api, open_store, sql):
    store = await open_store()
    for body, pointer in (
        ({}, "#/name"), ({"name": ""}, "#/name"), ({"name": None}, "#/name"), ({"name": ["x"]}, "#/name"),
        ({"name": "x" * 201}, "#/name"), ({"name": "a\tb"}, "#/name"), ({"name": "x", "id": "aud_1"}, "#/id"),
    ):  # fmt: skip
        assert pointers(await api.post("/audiences", json=body, headers=store.auth)) == [pointer]
    assert await store.count("audiences") == 1


async def test_lists_come_in_pages_that_repeat_and_lose_nothing_while_they_grow(api, open_store):
    store = await open_store()
    for _ in range(6):
        await open_store(beside=store)
    for path, more in (("/audiences", {"name": "late"}), ("/sources", None)):
        seen, cursor = [], None
        for turn in range(10):
            asked = {"limit": 3} | ({"cursor": cursor} if cursor else {})
            page = (await api.get(path, params=asked, headers=store.auth)).json()
            seen += [row["id"] for row in page["items"]]
            cursor = page["next_cursor"]
            if turn == 0 and more:
                await api.post(path, json=more, headers=store.auth)
            if cursor is None:
                break
        whole = (await api.get(path, params={"limit": 1000}, headers=store.auth)).json()
        assert seen == [row["id"] for row in whole["items"]]
        assert whole["next_cursor"] is None


async def test_a_list_of_exactly_one_page_has_no_next(api, open_store):
    store = await open_store()
    await open_store(beside=store)
    for path in ("/audiences", "/sources"):
        page = await api.get(path, params={"limit": 2}, headers=store.auth)
        assert (len(page.json()["items"]), page.json()["next_cursor"], page.headers.get("Link")) == (2, None, None)


async def test_sources_of_one_audience_are_only_those(api, open_store):
    store = await open_store()
    other = await open_store(beside=store)
    wanted = {"audience": store.audience, "name": "B", "platform": "custom", "currency": "EUR", "time_zone": "UTC"}
    second = (await api.post("/sources", json=wanted, headers=store.auth)).json()["id"]

    of = {
        audience: [
            row["id"]
            for row in (await api.get("/sources", params={"audience": audience}, headers=store.auth)).json()["items"]
        ]
        for audience in (store.audience, other.audience)
    }

    assert of == {store.audience: [store.source, second], other.audience: [other.source]}


# ---------------------------------------------------------------- changing


async def test_name_zone_and_first_day_can_change_and_the_rest_is_for_good(api, open_store):
    store = await open_store()
    before = (await api.get(f"/sources/{store.source}", headers=store.auth)).json()

    answer = await changed(store, name="New", time_zone="Europe/Rome", week_start="sunday")

    after = (await api.get(f"/sources/{store.source}", headers=store.auth)).json()
    assert answer.status_code == 200
    assert after == before | {"name": "New", "time_zone": "Europe/Rome", "week_start": "sunday"}
    assert answer.json() == {name: value for name, value in after.items() if name not in {"health", "sync"}}
    for field, value in (
        ("currency", "USD"),
        ("audience", "aud_1"),
        ("platform", "shopify"),
        ("id", "src_9"),
        ("orders", 1),
    ):
        assert pointers(await changed(store, **{field: value})) == [f"#/{field}"]
    for field, value in (("name", ""), ("name", 5), ("time_zone", "Mars/Base"), ("week_start", "Monday")):
        assert pointers(await changed(store, **{field: value})) == [f"#/{field}"]
    assert pointers(await changed(store)) == ["#/"]
    assert (await api.get(f"/sources/{store.source}", headers=store.auth)).json() == after


async def test_another_zone_moves_orders_to_the_month_that_it_says(open_store):
    store = await open_store()
    await store.sold(("ada", "10.00"), on="2026-02-28T23:30:00Z")
    assert (await store.ask(time_frame="last_month"))["customers"] == 1

    await changed(store, time_zone="Europe/Rome")

    assert (await store.ask(time_frame="last_month"))["customers"] == 0
    board = await store.ask(time_frame="month_to_date")
    assert (board["customers"], board["time_zone"], board["start"]) == (1, "Europe/Rome", "2026-03-01T00:00:00+01:00")


async def test_another_first_day_moves_the_week(open_store):
    store = await open_store()
    await store.sold(("ada", "10.00"), on="2026-03-15")
    assert (await store.ask(time_frame="last_week"))["customers"] == 1

    await changed(store, week_start="sunday")

    week = await store.ask(time_frame="last_week")
    assert (week["start"], week["customers"]) == ("2026-03-08T00:00:00+00:00", 0)


# ---------------------------------------------------------------- health


async def test_health_follows_every_kind_of_order(open_store):
    store = await open_store()
    expected = dict(EMPTY)
    steps = [
        (order("1", "ada", at="2026-01-10T08:00:00Z"), {"orders": 1, "purchases": 1, "customers": 1}),
        (order("2", "ada", at="2026-02-10T08:00:00Z"), {"orders": 2, "purchases": 2}),
        (order("3", "bea", status="pending", at="2026-03-17T08:00:00Z"), {"orders": 3, "customers": 2}),
        (order("4", None, at="2026-03-17T09:00:00Z"), {"orders": 4, "unattributed": 1}),
        (order("5", "ada", currency="USD", at="2025-01-01T00:00:00Z"), {"orders": 5, "foreign_currency": 1}),
        (order("6", None, currency="USD"), {"orders": 6, "foreign_currency": 2, "unattributed": 2}),
        (order("7", "ada", test=True, at="2025-01-01T00:00:00Z"), {"orders": 7}),
        (order("8", "ada", refunded="10.00", status="refunded"), {"orders": 8}),
        (order("9", "ada", total="0.00"), {"orders": 9, "purchases": 3}),
        (order("10", None, email="dan@example.test"), {"orders": 10, "purchases": 4, "customers": 3}),
        (order("3", "bea", at="2026-03-17T08:00:00Z"), {"purchases": 5}),
        (order("4", "bea", at="2026-03-17T09:00:00Z"), {"purchases": 6, "unattributed": 1}),
        (order("5", "ada", at="2025-01-01T00:00:00Z"), {"purchases": 7, "foreign_currency": 1}),
        (order("3", "bea", status="voided", at="2026-03-17T08:00:00Z"), {"purchases": 6}),
        (order("3", "bea", status="voided", at="2026-03-17T08:00:00Z"), {}),
    ]
    for number, (row, change) in enumerate(steps):
        await store.send(row)
        expected |= change
        found = await health(store)
        assert {name: found[name] for name in change} == change, number
        assert {name: v for name, v in found.items() if not name.endswith(("_at", "_from"))} == {
            name: v for name, v in expected.items() if not name.endswith(("_at", "_from"))
        }, number
    assert (found["history_from"], found["last_order_at"]) == ("2025-01-01T00:00:00Z", "2026-03-17T09:00:00Z")


async def test_health_follows_deletions(api, open_store):
    store = await open_store()
    await store.send(
        order("first", "ada", at="2026-01-10T08:00:00Z"), order("middle", "bea"),
        order("last", "ada", at="2026-03-10T08:00:00Z"), order("nobody", None), order("abroad", "ada", currency="USD"),
    )  # fmt: skip
    for gone, expected in (
        ("first", (4, 2, 1, 1, "2026-03-01T12:00:00Z", "2026-03-10T08:00:00Z")),
        ("last", (3, 1, 1, 1, "2026-03-01T12:00:00Z", "2026-03-01T12:00:00Z")),
        ("nobody", (2, 1, 0, 1, "2026-03-01T12:00:00Z", "2026-03-01T12:00:00Z")),
        ("abroad", (1, 1, 0, 0, "2026-03-01T12:00:00Z", "2026-03-01T12:00:00Z")),
        ("never seen", (1, 1, 0, 0, "2026-03-01T12:00:00Z", "2026-03-01T12:00:00Z")),
        ("middle", (0, 0, 0, 0, None, None)),
        ("middle", (0, 0, 0, 0, None, None)),
    ):
        answer = await api.delete(f"/sources/{store.source}/orders/{gone}", headers=store.auth)
        assert answer.status_code == 204
        found = await health(store)
        shown = ("orders", "purchases", "unattributed", "foreign_currency", "history_from", "last_order_at")
        assert tuple(found[name] for name in shown) == expected, gone
    late = (await store.send(order("first", "ada"), order("never seen", "ada")))["unchanged"]
    assert (late, (await health(store))["orders"]) == (2, 0)


async def test_health_follows_merges(open_store):
    store = await open_store()
    guest = {"email": "ada@example.test"}
    await store.send(order("1", None, **guest), order("2", None, email="bea@example.test"))
    assert (await health(store))["customers"] == 2

    await store.send(order("3", "42", **guest))
    assert {name: v for name, v in (await health(store)).items() if v} == {
        "orders": 3,
        "purchases": 3,
        "customers": 2,
        "history_from": "2026-03-01T12:00:00Z",
        "last_order_at": "2026-03-01T12:00:00Z",
    }
    await store.send(order("2", "42", email="bea@example.test"))
    assert (await health(store))["customers"] == 1
    assert [row["number_of_purchases"] for row in (await store.ask(time_frame="all_time"))["items"]] == [3]


async def test_health_is_of_one_source_alone(open_store):
    store = await open_store()
    beside = await open_store(beside=store)
    await store.sold(("ada", "1.00"), ("bea", "1.00"))
    await beside.sold(("ada", "1.00"))

    assert ((await health(store))["customers"], (await health(beside))["customers"]) == (2, 1)


async def test_health_of_an_import_is_that_of_a_batch(open_store, monkeypatch):
    monkeypatch.setattr(import_orders, "BATCH_ROWS", 7)
    rows = [
        order(str(number), f"c{number % 5}" if number % 4 else None, currency="USD" if number % 6 == 0 else "EUR",
              at=(datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=number)).isoformat())
        for number in range(40)
    ]  # fmt: skip
    batch, stream = await open_store(), await open_store()

    await batch.send(*rows)
    content = gzip.compress("\n".join(map(json.dumps, rows)).encode())
    assert (await stream.load(content, "application/x-ndjson")).json()["created"] == 40

    assert await health(stream) == await health(batch)
    assert (await health(stream))["unattributed"] == 10


async def test_a_refused_order_leaves_health_as_it_is(open_store):
    store = await open_store()
    await store.post(order("1", "ada", total="x"), order("2", "ada", at="2030-01-01T00:00:00Z"))
    assert await health(store) == EMPTY


MOST = "10000000000000.00"
MANY_OF_THE_MOST = 9223
"""So many orders of the largest amount fit into 64 bits."""


@pytest.fixture
async def full(open_store):
    """A store whose orders amount to almost as much as 64 bits hold."""
    store = await open_store()
    lines = [f"o{n},ada,2026-03-{1 + n % 17:02}T12:00:00Z,{MOST},paid" for n in range(MANY_OF_THE_MOST)]
    loaded = await store.load("\n".join(["order_id,customer_id,ordered_at,total,status", *lines, ""]).encode())
    assert (loaded.json()["created"], loaded.json()["rejected"]) == (MANY_OF_THE_MOST, [])
    return store


async def test_rows_that_would_take_a_sum_beyond_64_bits_are_refused_one_by_one(full):
    rows = [order("a", "bea", "1.00"), order("b", "bea", MOST), order("o1", "ada", "2.00"), order("c", "bea", MOST)]
    result = (await full.post(*rows, order("d", "bea", MOST))).json()
    assert [result[name] for name in ("created", "updated")] == [2, 1]
    assert [(each["index"], each["order_id"], each["code"]) for each in result["rejected"]] == [
        (1, "b", "sum_too_large"),
        (4, "d", "sum_too_large"),
    ]
    page = await full.ask(time_frame="all_time")
    assert {row["customer"]["external_id"]: row["total_spend"] for row in page["items"]} == {
        "ada": f"{9222 * 10**13 + 2}.00",
        "bea": f"{10**13 + 1}.00",
    }
    lines = "\n".join(["order_id,customer_id,ordered_at,total,status", f"x,bea,2026-03-01T12:00:00Z,{MOST},paid", ""])
    loaded = (await full.load(lines.encode())).json()
    assert (loaded["received"], loaded["rejected_count"], loaded["created"]) == (1, 1, 0)
    assert [(each["line"], each["code"]) for each in loaded["rejected"]] == [(2, "sum_too_large")]


async def test_every_page_about_the_largest_sums_answers(full, database):
    customer = (await full.ask(time_frame="all_time"))["items"][0]["customer"]["id"]
    frames = [{"time_frame": "all_time"}, {"time_frame": "month_to_date", "compare": "previous"}]
    frames += [{"time_frame": "custom", "start": "2026-03-01", "end": "2026-04-01", "compare": "gap"}]
    asked = [("/leaderboard", full.board(rank_by=metric, **frame)) for metric in METRICS for frame in frames]
    asked += [("/segments/vip", full.board()), ("/segments/vip/preview", full.board())]
    asked += [(f"/customers/{customer}", {}), (f"/sources/{full.source}", {}), (f"/customers/{customer}/export", {})]
    for path, parameters in asked:
        answer = await full.api.get(path, params=parameters, headers=full.auth)
        assert answer.status_code == 200, (path, answer.text)
    async with database.read() as conn:
        source = await read_source(conn, int(full.account.removeprefix("acc_")), full.source_id)
    assert await verify(database, source) == []


async def test_a_deleted_order_makes_room_for_another(full):
    big = order("big", "bea", MOST)
    assert (await full.post(big)).json()["rejected"][0]["code"] == "sum_too_large"
    assert (await full.api.delete(f"/sources/{full.source}/orders/o7", headers=full.auth)).status_code == 204
    assert (await full.post(big)).json()["created"] == 1


async def test_the_address_of_a_store_can_be_set_changed_and_removed_and_is_shown(open_store):
    store = await open_store(url="https://shop.example/roma")
    path = f"/sources/{store.source}"

    async def change(**fields):
        return await store.api.patch(path, json=fields, headers=store.auth)

    assert (await store.api.get(path, headers=store.auth)).json()["url"] == "https://shop.example/roma"
    assert (await change(name="Roma")).json()["url"] == "https://shop.example/roma"
    assert (await change(url=" http://shop.example ")).json()["url"] == "http://shop.example"
    for wrong in (
        "shop.example",
        "javascript:alert(1)",
        "https://",
        "https://shop.example/ b",
        'https://a.example/"',
        "",
    ):
        assert pointers(await change(url=wrong)) == ["#/url"], wrong
    assert (await change(url=None)).json()["url"] is None


async def test_a_source_without_a_connector_says_that_nothing_comes_in_by_itself(open_store):
    for platform in ("custom", "shopify"):
        store = await open_store(platform=platform)
        shown = (await store.api.get(f"/sources/{store.source}", headers=store.auth)).json()
        assert shown["connection"] == "none"
