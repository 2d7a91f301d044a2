"""Customers, asked over HTTP: the profile, finding, consent, and being forgotten."""

import asyncio
import json
import random
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
import structlog
from answers import pointers, problem
from conftest import NOW
from hypothesis import given, settings
from hypothesis import strategies as st
from shop import METRICS, Store, order
from sqlalchemy import event
from sqlalchemy.dialects import postgresql
from sqlalchemy.util import await_only

from app.boards.source import read_source
from app.boards.verify import verify
from app.customers.read_profile import RANKED_FRAMES
from app.customers.schemas import CustomerPage, Export, Profile
from app.customers.statements import FindBy, select_customers
from app.wire.pages import CURSOR_PATTERN

pytestmark = pytest.mark.usefixtures("among_others", "midday")

TABLES = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
CHANGED_BY_A_KEY = r"key_[1-9][0-9]*"


async def found(store: Store, **question: Any) -> dict[str, Any]:
    """A page of customers that must be there."""
    params = {"source": store.source} | question
    answer = await store.api.get("/customers", params=params, headers=store.auth)
    assert answer.status_code == 200, answer.text
    page = CustomerPage.model_validate_json(answer.content).model_dump(mode="json")
    assert page == answer.json()
    return page


async def ids(store: Store) -> dict[str, str]:
    """The customers of a store by the store's own ids, guests by their addresses."""
    rows = (await found(store, limit=1000))["items"]
    return {row["external_id"] or row["email"]: row["id"] for row in rows}


async def profile(store: Store, customer: str) -> dict[str, Any]:
    answer = await store.api.get(f"/customers/{customer}", headers=store.auth)
    assert answer.status_code == 200, answer.text
    assert Profile.model_validate_json(answer.content).model_dump(mode="json") == answer.json()
    whole: dict[str, Any] = answer.json()
    return whole


async def export(store: Store, customer: str) -> dict[str, Any]:
    answer = await store.api.get(f"/customers/{customer}/export", headers=store.auth)
    assert answer.status_code == 200, answer.text
    assert Export.model_validate_json(answer.content).model_dump(mode="json") == answer.json()
    whole: dict[str, Any] = answer.json()
    return whole


async def differences(database: Any, store: Store) -> list[str]:
    """What is not as the orders say."""
    async with database.read() as conn:
        source = await read_source(conn, int(store.account.removeprefix("acc_")), store.source_id)
    return await verify(database, source)


async def fill(store: Store, seed: int = 7, customers: int = 14, orders: int = 90) -> None:
    """Orders over two years, of few customers and few amounts, so that there are ties."""
    some = random.Random(seed)
    rows = []
    for number in range(orders):
        at = NOW - timedelta(days=some.choice([0, 1, 6, 9, 20, 40, 80, 120, 200, 300, 364, 365, 366, 500]))
        who = f"c{some.randrange(customers)}"
        total = some.choice(["0.00", "5.00", "10.00", "10.01", "33.33"])
        rows.append(order(f"o{number}", who, total, at.isoformat(), status=some.choice(["paid", "paid", "voided"])))
    await store.send(*rows)


# ---------------------------------------------------------------- the profile


async def agrees_with_boards(store: Store, whole: dict[str, Any]) -> None:
    """What the leaderboard and the VIPs say of the customer is what the profile says."""
    for frame in whole["time_frames"]:
        for metric in METRICS:
            asked = {"time_frame": frame["time_frame"], "rank_by": metric, "compare": "gap"}
            rows = await store.all_rows(**asked, limit=1000)
            page = await store.ask(time_frame=frame["time_frame"], rank_by=metric)
            assert (frame["start"], frame["end"]) == (page["start"], page["end"])
            assert frame["ranked_customers"] == page["customers"]
            mine = [row for row in rows if row["customer"]["id"] == whole["id"]]
            assert frame["ranks"][metric] == (mine[0]["rank"] if mine else None)
            if not mine:
                assert [frame[each] for each in METRICS] == [0, None, "0.00"]
                assert frame["gaps"] == dict.fromkeys(METRICS)
                continue
            assert {each: frame[each] for each in METRICS} == {each: mine[0][each] for each in METRICS}
            assert frame["gaps"][metric] == mine[0]["gap"]
    everyone = {row["customer"]["id"]: row for row in await store.all_rows(time_frame="all_time", limit=1000)}
    ever = everyone.get(whole["id"], {"number_of_purchases": 0, "total_spend": "0.00", "average_order_amount": None})
    assert whole["all_time"] == {each: ever[each] for each in METRICS}
    assert whole["last_order_at"] == ever.get("last_order_at")
    await agrees_with_vips(store, whole)


async def agrees_with_vips(store: Store, whole: dict[str, Any]) -> None:
    answer = await store.api.get("/segments/vip", params=store.board(limit=1000), headers=store.auth)
    vips = answer.json()
    matched = {row["customer"]["id"]: row["matched"] for row in vips["items"]}.get(whole["id"], [])
    vip = whole["vip"]
    assert (vip["member"], vip["matched"]) == (bool(matched), matched)
    assert vip["min_spend"] == vips["thresholds"]["min_spend"]["value"]
    assert vip["min_orders"] == vips["thresholds"]["min_orders"]["value"]
    window = await store.all_rows(time_frame="last_365_days", limit=1000)
    mine = next((row for row in window if row["customer"]["id"] == whole["id"]), None)
    orders, spend = (mine["number_of_purchases"], float(mine["total_spend"])) if mine else (0, 0)
    if vip["min_orders"] is None:
        assert (vip["missing_orders"], vip["missing_spend"]) == (None, None)
        return
    frequent, big = orders > vip["min_orders"], spend > float(vip["min_spend"])
    assert vip["missing_orders"] == (None if frequent else vip["min_orders"] + 1 - orders)
    missing = None if big else round(float(vip["min_spend"]) + 0.01 - spend, 2)
    assert (vip["missing_spend"] and float(vip["missing_spend"])) == missing


async def test_a_profile_says_what_the_boards_say_with_and_without_them(open_store, sql, database):
    store = await open_store(time_zone="Europe/Rome")
    await fill(store)
    await store.send(order("guest", None, email="guest@example.test"), order("none", "nobody", status="voided"))
    everyone = await ids(store)
    assert len(everyone) == 16
    live = {customer: await profile(store, customer) for customer in everyone.values()}
    for whole in live.values():
        await agrees_with_boards(store, whole)
    assert sum(whole["vip"]["member"] for whole in live.values()) >= 2
    assert any(whole["time_frames"][0]["ranks"]["total_spend"] is None for whole in live.values())

    async with store.with_yesterdays_boards():
        assert {customer: await profile(store, customer) for customer in live} == live
    assert await differences(database, store) == []


async def test_frames_that_no_board_can_answer_come_from_the_orders(open_store, sql, statements, clock):
    store = await open_store()
    await fill(store)
    customer = (await ids(store))["c1"]
    with statements.during() as live:
        before = await profile(store, customer)
    await store.without_boards("month", "all_time")
    with statements.during() as some:
        assert await profile(store, customer) == before
    await store.without_boards()
    with statements.during() as none:
        assert await profile(store, customer) == before

    assert [len(ran) for ran in (live, some, none)] == [4, 5, 5]
    assert {way for way, _ in live + some + none} == {"read"}
    clock.now = NOW + timedelta(seconds=1)
    later = await profile(store, customer)
    assert later["as_of"] != before["as_of"]


async def test_while_an_import_is_under_way_the_profile_comes_from_the_orders(open_store, sql):
    store = await open_store()
    await fill(store)
    customers = await ids(store)
    before = await profile(store, customers["c2"])
    await sql.execute("UPDATE standings SET spend = spend + 100")
    async with store.with_an_import_running():
        assert await profile(store, customers["c2"]) == before


async def test_what_a_profile_shows_of_a_customer(open_store, clock):
    store = await open_store(time_zone="Europe/Rome", currency="EUR")
    clock.now = datetime(2026, 3, 1, 12, tzinfo=UTC)
    await store.send(order("first", "ada", "10.00", "2026-02-01T12:00:00Z", name="Ada", email=" ADA@example.test"))
    clock.now = NOW
    await store.send(
        *(order(f"o{day:02}", "ada", "20.00", f"2026-03-{day:02}T12:00:00Z", items=2) for day in range(1, 12)),
        order("usd", "ada", "5.00", "2026-03-12T12:00:00Z", currency="USD"),
        order("yen", "ada", "500", "2026-03-12T13:00:00Z", currency="JPY"),
        order("test", "ada", "5.00", "2026-03-13T12:00:00Z", test=True),
        order("gone", "ada", "5.00", "2026-03-14T12:00:00Z"),
    )
    await store.api.delete(f"/sources/{store.source}/orders/gone", headers=store.auth)

    whole = await profile(store, (await ids(store))["ada"])

    assert (whole["name"], whole["email"], whole["external_id"]) == ("Ada", "ada@example.test", "ada")
    assert (whole["marketing"], whole["messageable"], whole["created_at"]) == (
        "non_subscribed", False, "2026-03-01T12:00:00Z",
    )  # fmt: skip
    assert (whole["source"], whole["audience"], whole["currency"]) == (store.source, store.audience, "EUR")
    assert (whole["first_order_at"], whole["last_order_at"]) == ("2026-02-01T12:00:00Z", "2026-03-11T12:00:00Z")
    assert whole["all_time"] == dict(zip(METRICS, (12, "19.17", "230.00"), strict=True))
    assert [frame["time_frame"] for frame in whole["time_frames"]] == [*RANKED_FRAMES]
    assert [each["order_id"] for each in whole["orders"]] == [
        "test",
        "yen",
        "usd",
        *(f"o{d:02}" for d in range(11, 4, -1)),
    ]
    assert [(each["total"], each["currency"], each["is_purchase"]) for each in whole["orders"][:4]] == [
        ("5.00", "EUR", False), ("500", "JPY", False), ("5.00", "USD", False), ("20.00", "EUR", True),
    ]  # fmt: skip
    assert whole["messages"] == []


async def test_a_customer_without_a_purchase_has_zeros_and_no_ranks(open_store):
    store = await open_store()
    await store.send(order("1", "ada", status="pending"))

    whole = await profile(store, (await ids(store))["ada"])

    assert (whole["first_order_at"], whole["last_order_at"]) == (None, None)
    assert whole["all_time"] == dict(zip(METRICS, (0, None, "0.00"), strict=True))
    for frame in whole["time_frames"]:
        assert [frame[each] for each in METRICS] == [0, None, "0.00"]
        assert (frame["ranks"], frame["gaps"]) == (dict.fromkeys(METRICS), dict.fromkeys(METRICS))
        assert frame["ranked_customers"] == 0
    assert whole["vip"] == {
        "member": False, "matched": [], "min_spend": None, "min_orders": None,
        "missing_spend": None, "missing_orders": None,
    }  # fmt: skip


# ---------------------------------------------------------------- finding


async def test_customers_are_found_by_id_by_address_and_by_how_they_begin(open_store):
    store = await open_store()
    await store.send(
        order("1", "7", name="Ada Lovelace", email="countess@example.test"),
        order("2", "8", name="ADALBERT", email="count@example.test"),
        order("3", None, email="Ada@Example.test"),
        order("4", "9", name="Élodie", email="%_@example.test"),
        order("5", "10", name="100%_\\ 'Bea'; --", email="bea@example.test"),
        order("6", "11", email="shared@example.test"),
        order("7", "12", email="shared@example.test"),
        order("8", "13", name="\U0010fffeodd", email="zoë@exämple.test"),
    )
    names = {number: key for key, number in (await ids(store)).items()}

    async def who(**question: str) -> list[str]:
        return [names[row["id"]] for row in (await found(store, **question))["items"]]

    assert await who(external_id="7") == ["7"]
    assert await who(external_id="ada@example.test") == []
    assert await who(email="COUNTESS@example.test ") == ["7"]
    assert sorted(await who(email="shared@example.test")) == ["11", "12"]
    for nobody in ("", "nobody@example.test", "x", "a@b@c", "@", "'", "ada@example.tes"):
        assert not nobody or await who(email=nobody) == []
    assert await who(q="ada") == ["7", "ada@example.test", "8"]
    assert await who(q=" aDA ") == ["7", "ada@example.test", "8"]
    assert await who(q="ada l") == ["7"]
    assert sorted(await who(q="COUNT")) == ["7", "8"]
    assert await who(q="éLO") == await who(q="ÉLO") == ["9"]
    assert await who(q="e\u0301lo") == ["9"]
    assert await who(q="%") == ["9"]
    assert await who(q="_") == []
    assert await who(q="100%_\\ 'b") == ["10"]
    assert await who(q="ZOË@") == ["13"]
    assert await who(q="\U0010fffe") == ["13"]
    assert await who(q="lovelace") == []
    assert len(await who()) == 8


async def test_a_search_pages_through_everyone_once_and_links_the_next_page(open_store):
    store = await open_store()
    some = random.Random(3)
    people = [
        order(f"o{n}", f"id{n}", name=some.choice(["Ann", "anna", "ANN", "Anne", "Bo"]),
              email=some.choice([None, "an@x.test", f"an{n % 4}@x.test", f"bo{n}@x.test"]))
        for n in range(60)
    ]  # fmt: skip
    await store.send(*people)
    for question in ({"q": "an"}, {"q": "ann"}, {"email": "an@x.test"}, {}):
        whole = (await found(store, **question, limit=1000))["items"]
        rows, page = [], {"next_cursor": None}
        while True:
            cursor = {"cursor": page["next_cursor"]} if page["next_cursor"] else {}
            params = {"source": store.source, "limit": 7, **question, **cursor}
            answer = await store.api.get("/customers", params=params, headers=store.auth)
            page = answer.json()
            rows += page["items"]
            assert ("Link" in answer.headers) == bool(page["next_cursor"])
            if not page["next_cursor"]:
                break
            assert f"cursor={page['next_cursor']}" in answer.headers["Link"]
        assert rows == whole
        assert len({row["id"] for row in rows}) == len(rows) > 7
        if "q" in question:
            begins = [
                (row["name"] or "").lower().startswith(question["q"]) or (row["email"] or "").startswith(question["q"])
                for row in (await found(store, limit=1000))["items"]
            ]
            assert len(rows) == sum(begins)


async def test_a_name_is_found_by_what_it_looks_like(open_store):
    store = await open_store()
    names = ["Jos\u00e9 A", "jose\u0301 B", "JOS\u00c9 C", "\u1112\u1161\u11ab", "x" * 99 + "yz" + "x" * 399]
    await store.send(*(order(f"o{n}", f"c{n}", name=name) for n, name in enumerate(names)))

    async def who(q: str) -> list[str]:
        return [row["name"] for row in (await found(store, q=q))["items"]]

    for q in ("jos\u00e9", "JOSE\u0301", " Jos\u00e9 "):
        assert await who(q) == names[:3]
    assert await who("\ud55c") == await who("\u1112\u1161\u11ab") == names[3:4]
    assert await who("x" * 99 + "Y") == names[4:]
    assert await who("x" * 100) == []


@pytest.mark.parametrize("letter", ["\U0001f600", "\x01", '"', "\u0958", "\U0001d160", "\u0130", "愛"])
async def test_the_cursor_of_a_search_is_short_however_long_the_names_are(open_store, letter):
    store = await open_store()
    await store.send(*(order(f"o{n}", f"c{n}", name=f"a{letter * 499}") for n in range(3)))
    await store.send(*(order(f"p{n}", f"d{n}", email=f"a{'愛' * 20}{n}@{'愛' * 60}.test") for n in range(3)))
    cursor, seen = {}, []
    for _ in range(6):
        page = await found(store, q="a", limit=1, **cursor)
        seen += [row["id"] for row in page["items"]]
        assert page["next_cursor"] is None or re.fullmatch(CURSOR_PATTERN, page["next_cursor"])
        cursor = {"cursor": page["next_cursor"]}
    assert (page["next_cursor"], len(set(seen))) == (None, 6)


async def test_a_search_that_cannot_be_is_refused(open_store):
    store = await open_store()
    other = await open_store(beside=store)
    await store.sold(*((f"c{n}", "1.00") for n in range(3)))

    async def asked(**question: Any) -> Any:
        return await store.api.get("/customers", params={"source": store.source} | question, headers=store.auth)

    problem(await asked(q="a", email="b@example.test"), 422, "invalid_request")
    for bad in ({"q": ""}, {"q": "  "}, {"q": "x" * 101}, {"q": "a\x00"}, {"email": "\n\x00"}, {"external_id": ""}):
        assert pointers(await asked(**bad)) == [f"#/{next(iter(bad))}"], bad
    assert pointers(await asked(limit=0)) == ["#/limit"]
    assert pointers(await asked(name="x")) == ["#/name"]
    problem(await store.api.get("/customers", headers=store.auth), 422, "invalid_request")
    cursor = (await found(store, limit=1))["next_cursor"]
    problem(await asked(cursor=cursor, q="c"), 400, "invalid_cursor")
    problem(await asked(cursor=cursor, source=other.source), 400, "invalid_cursor")
    assert len((await found(store, limit=1, cursor=cursor))["items"]) == 1
    assert (await found(other))["items"] == []


@given(st.text(max_size=6), st.text(max_size=4))
@settings(max_examples=25)
async def test_any_text_is_an_answer_or_a_refusal(open_store, name, sought):
    store = await open_store()
    await store.post(order("1", "ada", name=name))
    for way in ("q", "email", "external_id"):
        params = {"source": store.source, way: sought.encode("utf-8", "replace").decode()}
        answer = await store.api.get("/customers", params=params, headers=store.auth)
        assert answer.status_code in {200, 422}, answer.text


def nodes_of(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan] + [node for child in plan.get("Plans", ()) for node in nodes_of(child)]


@pytest.mark.alone
async def test_a_search_walks_its_indexes_and_reads_one_page(open_store, sql, urls):
    store = await open_store()
    account_id = int(store.account.removeprefix("acc_"))
    await sql.execute(
        "INSERT INTO customers (account_id, source_id, external_id, email, name, created_at)"
        " SELECT $1, $2, n, 'ann' || n || '@example.test', 'Bea ' || n, $3 FROM generate_series(1, 8000) AS n",
        *(account_id, store.source_id, NOW),
    )
    await sql.execute(
        "INSERT INTO customers (account_id, source_id, name, created_at)"
        " SELECT $1, $2, 'Guest', $3 FROM generate_series(1, 2000)",
        *(account_id, store.source_id, NOW),
    )
    late = await sql.fetchval("SELECT max(id) - 500 FROM customers")
    await sql.execute("VACUUM ANALYZE customers")
    bound = {"account_id": account_id, "source_id": store.source_id, "limit": 11}
    reader = await asyncpg.connect(urls.read)
    for mode in ("force_custom_plan", "force_generic_plan"):
        await reader.execute(f"SET plan_cache_mode = {mode}")
        for sought, after, after_id in (("ann", "", 0), ("be", "", 0), ("nobody", "", 0), ("guest", "guest", late)):
            statement = select_customers(FindBy.PREFIX).compile(dialect=postgresql.asyncpg.dialect())
            values = bound | {"name": sought, "address": sought, "after": after, "after_id": after_id}
            listed = ", ".join(f"'{values[name]}'" for name in statement.positiontup)
            await reader.execute(f"PREPARE asked AS {statement}")
            explained = await reader.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE asked ({listed})")
            await reader.execute("DEALLOCATE asked")
            nodes = nodes_of(json.loads(explained)[0]["Plan"])
            assert {node["Index Name"] for node in nodes if "Index Name" in node} == {
                *("customers_email_idx", "customers_name_idx", "accounts_pkey", "suppressions_pkey")
            }  # fmt: skip
            read = sum(node["Actual Rows"] for node in nodes if "customers" in node.get("Index Name", ""))
            assert read <= 2 * 11
            assert sum(node.get("Rows Removed by Filter", 0) for node in nodes) == 0
            assert "Seq Scan" not in {node["Node Type"] for node in nodes}
    await reader.close()


async def test_listing_a_small_store_does_not_walk_over_the_large_one_beside_it(open_store, sql, urls):
    large = await open_store()
    small = await open_store(beside=large)
    account_id = int(large.account.removeprefix("acc_"))
    for store, customers in ((large, 8000), (small, 30)):
        await sql.execute(
            "INSERT INTO customers (account_id, source_id, created_at) SELECT $1, $2, $3 FROM generate_series(1, $4)",
            *(account_id, store.source_id, NOW, customers),
        )
    await sql.execute("VACUUM ANALYZE customers")
    reader = await asyncpg.connect(urls.read)
    await reader.execute("SET plan_cache_mode = force_generic_plan")
    statement = select_customers(None).compile(dialect=postgresql.asyncpg.dialect())
    await reader.execute(f"PREPARE asked AS {statement}")
    for store in (large, small):
        values = {"account_id": account_id, "source_id": store.source_id, "after_id": 0, "limit": 11}
        listed = ", ".join(str(values[name]) for name in statement.positiontup)
        explained = await reader.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE asked ({listed})")
        plan = json.loads(explained)[0]["Plan"]
        assert plan["Actual Rows"] == 11
        assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] <= 12
        assert not [node for node in nodes_of(plan) if node["Node Type"] in {"Seq Scan", "Sort"}]
    await reader.close()


# ---------------------------------------------------------------- consent


async def test_consent_is_kept_with_who_changed_it_and_when_and_no_import_overwrites_it(open_store, clock):
    store = await open_store()
    await store.send(order("1", "ada", email="ada@example.test", name="Ada"))
    ada = (await ids(store))["ada"]
    key = (await store.api.get("/account", headers=store.auth)).json()["key"]

    changed = await store.agree(ada, "subscribed")
    clock.now = NOW + timedelta(hours=1)
    await store.agree(ada, "subscribed")
    await store.agree(ada, "unsubscribed")
    await store.send(order("2", "ada", email="new@example.test", name="Ada L."))
    await store.load(b"order_id,customer_id,ordered_at,total,status\n3,ada,2026-03-01T12:00:00Z,1.00,paid\n")

    assert (changed["marketing"], changed["messageable"]) == ("subscribed", True)
    whole = await export(store, ada)
    assert (whole["marketing"], whole["messageable"], whole["email"]) == ("unsubscribed", False, "new@example.test")
    assert whole["consent_history"] == [
        {"marketing": "subscribed", "changed_by": key, "changed_at": "2026-03-18T12:00:00Z"},
        {"marketing": "unsubscribed", "changed_by": key, "changed_at": "2026-03-18T13:00:00Z"},
    ]


async def test_an_explicit_choice_of_the_default_is_noted_too(open_store):
    store = await open_store()
    await store.sold(("ada", "1.00"))
    ada = (await ids(store))["ada"]
    for _ in range(2):
        await store.agree(ada, "non_subscribed")
    history = (await export(store, ada))["consent_history"]
    assert [change["marketing"] for change in history] == ["non_subscribed"]


async def test_boards_follow_a_consent(open_store):
    store = await open_store()
    await store.send(order("1", "ada", email="ada@example.test"), order("2", "bea"))
    customers = await ids(store)
    for path, question in (
        ("/leaderboard", {"time_frame": "month_to_date"}),
        ("/leaderboard", {"time_frame": "custom", "start": "2026-01-01", "end": "2026-04-01"}),
        ("/segments/vip", {"min_orders": 0}),
    ):
        await store.agree(customers["ada"], "unsubscribed")

        async def asked(etag: str = "", path: str = path, question: dict[str, Any] = question) -> Any:
            headers = store.auth | ({"If-None-Match": etag} if etag else {})
            return await store.api.get(path, params=store.board(**question), headers=headers)

        before = await asked()
        assert (await asked(before.headers["ETag"])).status_code == 304
        for customer in customers.values():
            await store.agree(customer, "subscribed")
        after = await asked(before.headers["ETag"])
        assert after.status_code == 200
        shown = [
            {row["customer"]["external_id"]: row["customer"]["messageable"] for row in answer.json()["items"]}
            for answer in (before, after)
        ]
        assert shown == [{"ada": False, "bea": False}, {"ada": True, "bea": False}]


@pytest.mark.parametrize("known_before", [False, True])
@pytest.mark.alone
async def test_a_guest_who_gets_an_id_keeps_what_they_agreed_to(open_store, clock, database, known_before):
    store = await open_store()
    email = "ada@example.test"
    if known_before:
        await store.send(order("0", "ada", at="2026-03-10T12:00:00Z", name="Ada", email="newer@example.test"))
        await store.agree((await ids(store))["ada"], "unsubscribed")
    clock.now = NOW + timedelta(hours=1)
    await store.send(order("1", None, email=email, status="voided"))  # merging it moves no figure
    guest = (await ids(store))[email]
    await store.agree(guest, "subscribed")
    shown = {"time_frame": "all_time"}
    etag = (await store.api.get("/leaderboard", params=store.board(**shown), headers=store.auth)).headers["ETag"]

    status = "voided" if known_before else "paid"
    await store.send(order("2", "ada", email=email, at="2026-03-02T12:00:00Z", status=status))

    everyone = await ids(store)
    assert set(everyone) == {"ada"}
    whole = await export(store, everyone["ada"])
    expected = ["unsubscribed", "subscribed"] if known_before else ["subscribed"]
    assert [change["marketing"] for change in whole["consent_history"]] == expected
    assert (whole["marketing"], whole["messageable"]) == ("subscribed", True)
    again = await store.api.get(
        "/leaderboard", params=store.board(**shown), headers=store.auth | {"If-None-Match": etag}
    )
    assert again.status_code == 200
    assert [row["customer"]["messageable"] for row in again.json()["items"]] == [True]
    if known_before:
        problem(await store.api.get(f"/customers/{guest}", headers=store.auth), 308, "customer_merged")
    assert await differences(database, store) == []


@pytest.mark.parametrize("own", [None, "de"])
async def test_a_guest_who_gets_an_id_keeps_their_language(open_store, own):
    store = await open_store()
    await store.send(order("0", "ada"), order("1", None, email="ada@example.test"), order("2", "bea"))
    before = await ids(store)
    for who, language in (("ada@example.test", "it"), ("ada", own)):
        path = f"/customers/{before[who]}"
        assert (await store.api.patch(path, json={"language": language}, headers=store.auth)).status_code == 200

    await store.send(order("3", "ada", email="ada@example.test"))

    rows = {row["external_id"]: row["language"] for row in (await found(store))["items"]}
    assert rows == {"ada": own or "it", "bea": None}


async def test_what_is_no_consent_is_refused(open_store):
    store = await open_store()
    await store.sold(("ada", "1.00"))
    path = f"/customers/{(await ids(store))['ada']}"
    for body, pointer in (
        ({"marketing": "yes"}, "#/marketing"),
        ({"language": "fr"}, "#/language"),
        ({}, "#/"),
        ({"marketing": None}, "#/"),
    ):
        assert pointers(await store.api.patch(path, json=body, headers=store.auth)) == [pointer]
    named = {"marketing": "subscribed", "name": "x"}
    assert pointers(await store.api.patch(path, json=named, headers=store.auth)) == ["#/name"]
    assert (await export(store, path.rpartition("/")[2]))["consent_history"] == []


# ---------------------------------------------------------------- export


async def test_an_export_holds_everything_that_is_known(open_store):
    store = await open_store()
    await store.send(
        order("1", "ada", "10.00", name="Ada", email="ada@example.test"),
        order("2", None, "5.00", "2026-03-02T12:00:00Z", email="ada@example.test"),
        order("3", "ada", "7.00", "2026-03-03T12:00:00Z", email="old@example.test"),
        *(order(f"more{n}", "ada", "1.00", "2026-02-01T12:00:00Z") for n in range(12)),
        order("other", "bea", email="bea@example.test"),
    )
    await store.api.delete(f"/sources/{store.source}/orders/3", headers=store.auth)
    ada = (await ids(store))["ada"]
    await store.agree(ada, "subscribed")

    whole = await export(store, ada)

    assert whole["addresses"] == ["ada@example.test", "old@example.test"]
    assert [each["order_id"] for each in whole["orders"][:3]] == ["3", "2", "1"]
    assert [each["email"] for each in whole["orders"][:3]] == [None, "ada@example.test", None]
    assert [bool(each["deleted_at"]) for each in whole["orders"][:3]] == [True, False, False]
    assert len(whole["orders"]) == 15
    assert len(whole["consent_history"]) == 1
    assert "bea" not in json.dumps(whole)


async def test_an_export_is_of_one_moment(open_store, sql, database):
    store = await open_store()
    await store.send(order("1", "ada", email="ada@example.test", name="Ada"))
    ada = (await ids(store))["ada"]
    before = await export(store, ada)
    begun = []

    def erase_meanwhile(*_: object) -> None:
        if not begun:
            begun.append(True)
            await_only(sql.execute("UPDATE orders SET customer_id = NULL"))
            await_only(sql.execute("DELETE FROM addresses"))

    event.listen(database.answering.engine.sync_engine, "after_cursor_execute", erase_meanwhile)
    assert await export(store, ada) == before
    assert await export(store, ada) == before | {"addresses": [], "orders": []}


# ---------------------------------------------------------------- erasure

CANARIES = ("canaryname", "canaryid", "canaryone", "canarytwo")


async def dump(sql: asyncpg.Connection) -> str:
    """Every row of every table, as text."""
    parts = []
    for (table,) in await sql.fetch(TABLES):
        parts += [row[0] for row in await sql.fetch(f"SELECT '{table} ' || t::text FROM {table} AS t ORDER BY 1")]
    return "\n".join(parts)


def persons_orders(at: str = "2026-03-05T12:00:00Z") -> list[dict[str, Any]]:
    return [
        order("p1", "canaryid", "500.00", at, name="CanaryName", email="CanaryOne@example.test", updated_at=at),
        order("p2", None, "20.00", at, email="canaryone@example.test", updated_at=at),
        order("p3", "canaryid", "30.00", at, email="canarytwo@example.test", updated_at=at),
        order("p4", "canaryid", "30.00", at, currency="USD", updated_at=at),
        order("p5", "canaryid", "30.00", at, updated_at=at),
        order("p6", "canaryid", "10.00", "2025-11-05T12:00:00Z", updated_at=at),
    ]


async def boards(store: Store) -> dict[str, Any]:
    """What boards and segments show, without what only tells one moment from another."""
    shown = {}
    for frame in (*RANKED_FRAMES, "last_365_days", "all_time"):
        for metric in METRICS:
            compared = {} if frame == "all_time" else {"compare": "previous"}
            page = await store.ask(time_frame=frame, rank_by=metric, **compared)
            shown[frame, metric] = page
    question = store.board(min_orders=0)
    for path in ("/segments/vip", "/segments/vip/preview"):
        shown[path] = (await store.api.get(path, params=question, headers=store.auth)).json()
    return shown


async def test_who_is_erased_is_gone_from_everywhere_and_the_boards_close_up(open_store, sql, database, capfd, clock):
    store = await open_store()
    await fill(store)
    never_known = await boards(store)
    others = {who: await export(store, customer) for who, customer in (await ids(store)).items()}
    with structlog.testing.capture_logs() as lines:
        await store.send(*persons_orders())
        await store.api.delete(f"/sources/{store.source}/orders/p5", headers=store.auth)
        person = (await ids(store))["canaryid"]
        await store.agree(person, "subscribed")
        first = (await store.ask(time_frame="month_to_date"))["items"][0]
        assert first["customer"]["id"] == person
        held = await dump(sql)
        assert all(canary in held.lower() for canary in CANARIES)

        clock.now = NOW + timedelta(minutes=1)
        await store.erase(person)

        clock.now = NOW
        assert await boards(store) == never_known
        gone = f"/customers/{person}"
        for method, path in (("GET", gone), ("GET", f"{gone}/export"), ("DELETE", gone), ("PATCH", gone)):
            body = {"json": {"marketing": "subscribed"}} if method == "PATCH" else {}
            problem(await store.api.request(method, path, headers=store.auth, **body), 404, "unknown_customer")
        around = store.board(time_frame="all_time", around=person)
        problem(await store.api.get("/leaderboard", params=around, headers=store.auth), 404, "customer_not_ranked")
        for question in ({"q": "canary"}, {"external_id": "canaryid"}, {"email": "canaryone@example.test"}):
            assert (await found(store, **question))["items"] == []
    held = await dump(sql)
    assert [canary for canary in CANARIES if canary in held.lower()] == []
    told = json.dumps(lines, default=str) + "".join(capfd.readouterr())
    assert [canary for canary in CANARIES if canary in told.lower()] == []
    assert not await sql.fetch("SELECT FROM standings WHERE customer_id = $1", int(person.removeprefix("cus_")))
    assert await differences(database, store) == []
    assert {who: await export(store, customer) for who, customer in (await ids(store)).items()} == others
    health = (await store.api.get(f"/sources/{store.source}", headers=store.auth)).json()
    assert (health["health"]["orders"], health["health"]["unattributed"]) == (95, 5)
    assert health["health"]["customers"] == len(others)


async def test_the_same_orders_sent_again_do_not_bring_the_person_back(open_store, sql, database):
    store = await open_store()
    await store.sold(("bea", "1.00"))
    await store.send(*persons_orders())
    await store.erase((await ids(store))["canaryid"])
    after = await dump(sql)

    newer = "2026-03-17T12:00:00Z"
    assert (await store.send(*persons_orders()))["unchanged"] == 6
    assert (await store.send(*(row | {"updated_at": newer, "total": "1.00"} for row in persons_orders())))[
        "unchanged"
    ] == 6
    assert (await store.send(*({**row, "updated_at": None} for row in persons_orders())))["unchanged"] == 6
    lines = "\n".join(json.dumps(row) for row in persons_orders())
    assert (await store.load(lines.encode(), "application/x-ndjson")).json()["unchanged"] == 6

    again = await dump(sql)
    assert [canary for canary in CANARIES if canary in again.lower()] == []
    kept = [line for line in after.splitlines() if not line.startswith("imports")]
    assert [line for line in again.splitlines() if not line.startswith("imports")] == kept
    assert set(await ids(store)) == {"bea"}
    assert await differences(database, store) == []


async def test_versions_that_change_nothing_do_not_bring_the_person_back_either(open_store, sql, database):
    store = await open_store()
    version = "2026-03-05T12:00:00Z"
    before = [
        order(name, "canaryid", email="CanaryOne@example.test", name="CanaryName", updated_at=version)
        for name in ("moved", "deleted", "never seen")
    ]
    await store.api.delete(f"/sources/{store.source}/orders/never seen", headers=store.auth)
    await store.send(*before)
    await store.api.delete(f"/sources/{store.source}/orders/deleted", headers=store.auth)
    await store.send(order("moved", "bea", updated_at="2026-03-06T12:00:00Z"))
    await store.erase((await ids(store))["canaryid"])

    for _ in range(2):
        assert (await store.send(*before))["unchanged"] == 3
        assert [canary for canary in CANARIES if canary in (await dump(sql)).lower()] == []
        assert set(await ids(store)) == {"bea"}

    await store.send(order("new", "canaryid"))
    await store.send(*before)
    whole = await export(store, (await ids(store))["canaryid"])
    assert (whole["name"], whole["email"], whole["addresses"]) == (None, None, [])
    assert await differences(database, store) == []


async def test_an_address_that_others_have_too_is_theirs_after_an_erasure(open_store, database):
    store = await open_store()
    shared = "family@example.test"
    await store.send(*(order(f"of {who}", who, email=shared) for who in ("ada", "cyd", "Bea")))
    await store.send(order("guest", None, "5.00", email=shared))
    heirs = await ids(store)

    for gone, heir, left in (("Bea", "ada", {"ada", "cyd"}), ("ada", "cyd", {"cyd"})):
        await store.erase(heirs[gone])
        await store.send(order(f"guest after {gone}", None, "5.00", email=shared))
        assert (await export(store, heirs[heir]))["addresses"] == [shared]
        assert set(await ids(store)) == left
        assert await differences(database, store) == []


async def test_an_address_that_another_customer_owns_stays_theirs_after_an_erasure(open_store, database):
    store = await open_store()
    await store.send(*(order(f"of {who}", who, email="family@example.test") for who in ("ada", "bea", "cyd")))
    people = await ids(store)

    await store.erase(people["bea"])  # written to at an address that has been ada's from the first order on

    await store.send(order("guest", None, "5.00", email="family@example.test"))
    assert (await export(store, people["ada"]))["addresses"] == ["family@example.test"]
    assert set(await ids(store)) == {"ada", "cyd"}
    assert await differences(database, store) == []


async def test_a_new_order_of_an_erased_person_makes_a_new_customer_without_the_old_data(open_store, database):
    store = await open_store()
    await store.send(*persons_orders())
    old = (await ids(store))["canaryid"]
    await store.agree(old, "subscribed")
    await store.erase(old)

    await store.send(*persons_orders(), order("new", "canaryid", "3.00", email="new@example.test"))

    everyone = await ids(store)
    assert set(everyone) == {"canaryid"}
    assert everyone["canaryid"] != old
    whole = await export(store, everyone["canaryid"])
    assert (whole["name"], whole["email"], whole["marketing"]) == (None, "new@example.test", "non_subscribed")
    assert [each["order_id"] for each in whole["orders"]] == ["new"]
    assert (whole["addresses"], whole["consent_history"]) == (["new@example.test"], [])
    assert (await profile(store, everyone["canaryid"]))["all_time"]["total_spend"] == "3.00"
    assert await differences(database, store) == []


async def test_an_erased_guest_is_forgotten_and_an_erased_order_can_still_be_deleted(open_store, sql, database):
    store = await open_store()
    await store.send(order("1", None, email="canaryone@example.test"), order("2", "bea"))
    await store.erase((await ids(store))["canaryone@example.test"])
    assert "canaryone" not in await dump(sql)

    gone = await store.api.delete(f"/sources/{store.source}/orders/1", headers=store.auth)
    assert gone.status_code == 204
    await store.send(order("1", None, email="canaryone@example.test"))

    assert "canaryone" not in await dump(sql)
    assert await differences(database, store) == []
    assert set(await ids(store)) == {"bea"}


@pytest.mark.alone
async def test_during_an_import_a_person_can_be_erased(open_store, sql, database):
    store = await open_store()
    await store.send(*persons_orders(), order("2", "bea"))
    person = (await ids(store))["canaryid"]
    await sql.execute(
        "INSERT INTO outdated_standings (account_id, source_id, customer_id) SELECT account_id, source_id, id"
        " FROM customers WHERE external_id = 'canaryid'"
    )
    await store.erase(person)

    assert await sql.fetch("SELECT FROM outdated_standings") == []
    assert await differences(database, store) == []


@pytest.mark.parametrize("pool_size", [4])
@pytest.mark.alone
async def test_whatever_happens_at_the_same_time_the_erased_stay_forgotten(open_store, sql, database):
    store = await open_store()
    await store.send(*persons_orders(), order("2", "bea"))
    person = (await ids(store))["canaryid"]
    path = f"/customers/{person}"

    answers = await asyncio.gather(
        *(store.post(*persons_orders()) for _ in range(5)),
        *(store.api.patch(path, json={"marketing": "subscribed"}, headers=store.auth) for _ in range(5)),
        *(store.api.delete(path, headers=store.auth) for _ in range(3)),
        *(store.api.get(path, headers=store.auth) for _ in range(5)),
        *(store.post(*persons_orders()) for _ in range(5)),
    )

    statuses = [answer.status_code for answer in answers]
    assert set(statuses) <= {200, 204, 404}
    assert statuses.count(204) == 1
    held = await dump(sql)
    assert [canary for canary in CANARIES if canary in held.lower()] == []
    assert set(await ids(store)) == {"bea"}
    assert await differences(database, store) == []


async def test_another_accounts_customer_is_nobody(open_store):
    mine, theirs = await open_store(), await open_store()
    await theirs.sold(("ada", "1.00"))
    ada = (await ids(theirs))["ada"]
    for method, path in (("GET", ""), ("GET", "/export"), ("DELETE", ""), ("PATCH", "")):
        body = {"json": {"marketing": "subscribed"}} if method == "PATCH" else {}
        answer = await mine.api.request(method, f"/customers/{ada}{path}", headers=mine.auth, **body)
        problem(answer, 404, "unknown_customer")
    params = {"source": theirs.source, "q": "a"}
    problem(await mine.api.get("/customers", params=params, headers=mine.auth), 404, "unknown_source")
    assert (await profile(theirs, ada))["marketing"] == "non_subscribed"
