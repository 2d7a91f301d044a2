"""Reading back: orders as they are stored, why they count or not, and imports with what they refused."""

from datetime import timedelta
from typing import Any

import pytest
from answers import problem
from conftest import NOW
from plans import LIMIT, plan_of
from shop import STATUSES, order

from app.ledger.statements import OrdersOf, select_orders
from app.vocabulary import WhyNotCounted
from app.worker import work_once

pytestmark = pytest.mark.usefixtures("midday")


async def listed(store, **query: Any) -> list[dict[str, Any]]:
    answer = await store.api.get(f"/sources/{store.source}/orders", params=query, headers=store.auth)
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


async def ids(store, **query: Any) -> list[str]:
    return [each["order_id"] for each in await listed(store, **query)]


async def read(store, order_id: str) -> dict[str, Any]:
    answer = await store.api.get(f"/sources/{store.source}/orders/{order_id}", headers=store.auth)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_an_order_is_read_back_as_it_was_sent_with_its_customer(open_store):
    store = await open_store()
    sent = order(
        "1001", "42", "130.49", "2026-03-02T12:02:00+01:00", email="ada@example.test", name="Ada", items=3,
        refunded="10.00", status="partially_refunded", updated_at="2026-03-03T08:00:00Z",
    )  # fmt: skip
    await store.send(sent)

    one = await read(store, "1001")

    customer = one.pop("customer")
    assert customer == {"id": customer["id"], "external_id": "42", "name": "Ada", "email": "ada@example.test"}
    frames = one.pop("counts_in")
    assert one == {
        "order_id": "1001",
        "ordered_at": "2026-03-02T11:02:00Z",
        "total": "130.49",
        "refunded": "10.00",
        "currency": "EUR",
        "items": 3,
        "status": "partially_refunded",
        "is_purchase": True,
        "test": False,
        "discount_codes": [],
        "updated_at": "2026-03-03T08:00:00Z",
        "guest_email": None,
        "deleted_at": None,
        "spend": "120.49",
        "not_counted_because": [],
    }
    assert {each["time_frame"] for each in frames} == {
        "month_to_date", "quarter_to_date", "year_to_date", "last_365_days", "all_time",
    }  # fmt: skip
    assert await listed(store) == [one | {"customer": customer}]


async def test_an_order_counts_in_exactly_the_time_frames_whose_boards_show_it(open_store):
    store = await open_store(time_zone="Europe/Berlin")
    moments = ("2026-03-09T00:00:00+01:00", "2026-02-28T23:59:59+01:00", "2025-12-31T22:59:59Z", "2025-03-18T12:00:00Z")
    for number, moment in enumerate((*moments, "2024-01-01T00:00:00Z")):
        who = f"buyer-{number}"
        await store.send(order(who, who, at=moment))

        frames = (await read(store, who))["counts_in"]

        for time_frame in ("last_week", "last_month", "month_to_date", "last_quarter", "quarter_to_date", "last_year",
                           "year_to_date", "last_365_days", "all_time"):  # fmt: skip
            board = await store.ask(time_frame=time_frame)
            shown = who in {row["customer"]["external_id"] for row in board["items"]}
            told = [each for each in frames if each["time_frame"] == time_frame]
            assert bool(told) == shown, (who, time_frame)
            assert [(each["start"], each["end"]) for each in told] == [(board["start"], board["end"])] * shown


async def test_it_tells_every_reason_why_an_order_does_not_count(open_store):
    store = await open_store()
    await store.send(
        order("t", "a", test=True),
        *(order(status, "a", status=status) for status in STATUSES),
        order("r", "a", refunded="10.00"),
        order("f", "a", currency="USD"),
        order("n", None),
        order("all", None, test=True, status="refunded", refunded="10.00", currency="USD"),
        order("e", "gone"),
        order("d", "a"),
    )
    gone = (await read(store, "e"))["customer"]["id"]
    await store.erase(gone)
    await store.api.delete(f"/sources/{store.source}/orders/d", headers=store.auth)

    reasons = {each: (await read(store, each))["not_counted_because"] for each in ("t", "r", "f", "n", "e", "d", "all")}

    assert reasons == {
        "t": ["test"],
        "r": ["fully_refunded"],
        "f": ["foreign_currency"],
        "n": ["unattributed"],
        "e": ["erased"],
        "d": ["deleted"],
        "all": ["test", "status_refunded", "fully_refunded", "foreign_currency", "unattributed"],
    }
    counted = {"partially_paid", "paid", "partially_refunded"}
    told = {status: (await read(store, status))["not_counted_because"] for status in STATUSES}
    assert told == {status: [] if status in counted else [f"status_{status}"] for status in STATUSES}
    assert {reason for each in (*reasons.values(), *told.values()) for reason in each} == {*WhyNotCounted}


async def test_what_is_no_purchase_has_a_reason_and_what_is_one_has_none(open_store):
    store = await open_store()
    rows = [
        order(f"{status}-{total}-{refunded}-{test}-{currency}-{who}", who, total, status=status, refunded=refunded,
              test=test, currency=currency)
        for status in STATUSES
        for total, refunded in (("0.00", "0.00"), ("10.00", "0.00"), ("10.00", "10.00"), ("10.00", "12.00"))
        for test in (False, True)
        for currency in ("EUR", "USD")
        for who in ("ada", None)
    ]  # fmt: skip
    await store.send(*rows)

    stored = await listed(store, limit=1000)

    assert len(stored) == len(rows)
    assert [each["order_id"] for each in stored if each["is_purchase"] == bool(each["not_counted_because"])] == []
    assert [each["order_id"] for each in stored if each["is_purchase"] != (each["spend"] is not None)] == []
    purchases = (await store.ask(time_frame="all_time"))["number_of_purchases"]
    assert sum(each["is_purchase"] for each in stored) == purchases > 0


async def test_orders_are_listed_newest_first_and_found_by_time_status_and_customer(api, open_store):
    store = await open_store()
    await store.send(
        order("1", "ada", at="2026-01-01T00:00:00Z"),
        order("2", "ada", at="2026-02-01T00:00:00Z", status="pending"),
        order("3", "bea", at="2026-02-01T00:00:00Z"),
        order("4", None, at="2026-03-01T00:00:00Z", status="cancelled"),
        order("5", "bea", at="2026-03-02T00:00:00Z"),
    )
    await api.delete(f"/sources/{store.source}/orders/5", headers=store.auth)
    ada = (await read(store, "1"))["customer"]["id"]

    assert await ids(store) == ["4", "3", "2", "1"]
    assert await ids(store, since="2026-02-01T01:00:00+01:00") == ["4", "3", "2"]
    assert await ids(store, status="pending") == ["2"]
    assert await ids(store, customer=ada) == ["2", "1"]
    assert await ids(store, customer=ada, status="paid") == ["1"]
    assert await ids(store, unattributed="true") == ["4"]
    assert await ids(store, unattributed="true", status="paid") == []
    health = (await api.get(f"/sources/{store.source}", headers=store.auth)).json()["health"]
    assert (health["orders"], health["unattributed"]) == (4, 1)
    for bad in ({"status": "odd"}, {"since": "yesterday"}, {"customer": ada, "unattributed": "true"}):
        answer = await api.get(f"/sources/{store.source}/orders", params=bad, headers=store.auth)
        problem(answer, 422, "invalid_request")


async def test_pages_of_orders_put_together_are_all_of_them_though_some_come_meanwhile(api, open_store):
    store = await open_store()
    rows = [
        order(f"{n:03}", f"c{n % 3}", at=f"2026-02-{1 + n % 4:02}T12:00:00Z", status=STATUSES[n % 8]) for n in range(40)
    ]
    await store.send(*rows)
    expected = [each["order_id"] for each in sorted(rows, key=lambda r: (r["ordered_at"], r["order_id"]), reverse=True)]
    for query in ({}, {"unattributed": "false"}):
        seen, url = [], f"/sources/{store.source}/orders?limit=7"
        while url:
            page = await api.get(url, params=query if "cursor" not in url else None, headers=store.auth)
            seen += [each["order_id"] for each in page.json()["items"]]
            url = page.links.get("next", {}).get("url")
            await store.send(order(f"new-{len(seen)}", "c1", at="2026-03-01T12:00:00Z"))
        assert seen[-40:] == expected

    one = await api.get(f"/sources/{store.source}/orders?limit=7", headers=store.auth)
    other = {"cursor": one.json()["next_cursor"], "status": "paid"}
    problem(await api.get(f"/sources/{store.source}/orders", params=other, headers=store.auth), 400, "invalid_cursor")


async def test_an_order_of_another_source_and_one_that_was_never_sent_are_unknown(api, open_store):
    one = await open_store()
    two = await open_store(beside=one)
    await one.send(order("a/b", "ada"))
    ada = (await read(one, "a/b"))["customer"]["id"]

    problem(await api.get(f"/sources/{two.source}/orders/a/b", headers=one.auth), 404, "unknown_order")
    problem(await api.get(f"/sources/{one.source}/orders/a", headers=one.auth), 404, "unknown_order")
    foreign = await api.get(f"/sources/{two.source}/orders", params={"customer": ada}, headers=one.auth)
    problem(foreign, 404, "unknown_customer")


async def test_a_page_of_orders_costs_the_same_however_many_are_stored(open_store, sql, urls):
    store = await open_store()
    await store.send(order("first", "ada"))
    customer = int((await read(store, "first"))["customer"]["id"].removeprefix("cus_"))
    await sql.execute(
        "INSERT INTO orders (account_id, source_id, order_id, customer_id, ordered_at, total, refunded, status,"
        "                    updated_at, content_hash, test)"
        " SELECT account_id, source_id, 'n' || n, CASE WHEN n % 50 = 0 THEN NULL ELSE customer_id END,"
        "        ordered_at - n / 500 * interval '1 hour', 1, 0,"
        "        (CASE WHEN n % 1000 = 0 THEN 'voided' ELSE 'paid' END)::order_status, updated_at, n, false"
        " FROM orders CROSS JOIN generate_series(1, 20000) AS n WHERE order_id = 'first'"
    )
    await sql.execute("VACUUM ANALYZE orders, customers")
    for setting in ("plan_cache_mode = force_generic_plan", "enable_seqscan = off", "enable_memoize = off"):
        await sql.execute(f"SET {setting}")
    account = int(store.account.removeprefix("acc_"))
    bound = {
        "account_id": account, "source_id": store.source_id, "customer": customer, "since": "1900-01-01Z",
        "before": NOW, "before_id": "", "limit": LIMIT,
    }  # fmt: skip
    for of in OrdersOf:
        for statuses in ([*STATUSES], ["paid"], ["voided"]):
            if of is OrdersOf.CUSTOMER and statuses == ["voided"]:
                continue  # goes over the customer's own orders
            plan = await plan_of(sql, select_orders(of), bound | {"statuses": statuses})
            read_rows = sum(
                node["Actual Rows"] * node["Actual Loops"] for node in plan.nodes if "Index" in node["Node Type"]
            )
            assert read_rows <= 8 * LIMIT + 2_000 * (of is OrdersOf.CUSTOMER), (of, statuses)
            assert plan.blocks < 120 + 900 * (of is OrdersOf.CUSTOMER), (of, statuses, plan.blocks)


# ---------------------------------------------------------------- imports are read back


def file_of(*lines: str) -> bytes:
    return "\n".join(("order_id,customer_id,ordered_at,total,status", *lines, "")).encode()


def good(number: int) -> str:
    return f"{number},c{number % 9},2026-03-01T12:00:00Z,1.00,paid"


def bad(number: int) -> str:
    return f"{number},c{number % 9},2026-03-01T12:00:00Z,a lot,paid"


async def whole_import(store, import_id: str, limit: int = 1000) -> dict[str, Any]:
    """An import with the refused rows of all its pages."""
    url, whole = f"/sources/{store.source}/imports/{import_id}?limit={limit}", None
    while url:
        answer = await store.api.get(url, headers=store.auth)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        whole = page if whole is None else whole | {"rejected": whole["rejected"] + page["rejected"]}
        url = answer.links.get("next", {}).get("url")
    return whole


async def test_every_refused_row_of_an_import_can_be_read_afterwards(open_store, sql):
    store = await open_store()
    refused = range(0, 9000, 9)
    content = file_of(*(bad(n) if n in refused else good(n) for n in range(9000)))
    told = (await store.load(content)).json()

    whole = await whole_import(store, told["id"], limit=300)

    assert len(told["rejected"]) == 100
    assert [(each["line"], each["order_id"]) for each in whole["rejected"]] == [(n + 2, str(n)) for n in refused]
    assert whole["rejected"][:100] == told["rejected"]
    figures = ("received", "created", "updated", "unchanged", "rejected_count")
    assert {name: whole[name] for name in figures} == {name: told[name] for name in figures}
    assert (whole["status"], whole["problem"], whole["rejected_kept"]) == ("complete", None, 1000)
    assert whole["rejected_until"] == "2026-04-17T12:00:00Z"
    german = store.auth | {"Accept-Language": "de"}
    page = await store.api.get(f"/sources/{store.source}/imports/{told['id']}", headers=german)
    assert page.json()["rejected"][0]["detail"].startswith("total: ")
    assert page.json()["rejected"][0]["detail"] != told["rejected"][0]["detail"]
    assert "a lot" not in str(await sql.fetch("SELECT * FROM refused_rows"))


async def test_rows_that_are_refused_late_or_in_thousands_are_kept_too(open_store):
    store = await open_store()
    largest = f"{10**13}.00"
    rows = [f"{n},c1,2026-03-01T12:00:00Z,{largest},paid" for n in range(9300)]
    rows += [bad(n) for n in range(9300, 18000)]
    told = (await store.load(file_of(*rows))).json()

    whole = await whole_import(store, told["id"])

    assert len(whole["rejected"]) == told["rejected_count"] == whole["rejected_kept"]
    assert {each["code"] for each in whole["rejected"]} == {"sum_too_large", "invalid_total"}
    lines = [each["line"] for each in whole["rejected"]]
    assert len({*lines}) == len(lines)


async def test_the_refused_rows_of_an_import_are_bounded_and_the_count_is_not(open_store, monkeypatch):
    store = await open_store()
    monkeypatch.setattr("app.orders.import_progress.MOST_KEPT_REFUSALS", 7)
    told = (await store.load(file_of(*(good(n) for n in range(20)), *(bad(n) for n in range(12))))).json()

    whole = await whole_import(store, told["id"])

    assert (whole["rejected_count"], whole["rejected_kept"], len(whole["rejected"])) == (12, 7, 7)


async def test_imports_are_listed_newest_first_and_say_how_they_ended(api, open_store, sql, clock):
    store = await open_store()
    complete = (await store.load(file_of(good(1)))).json()["id"]
    hopeless = problem(await store.load(file_of(*(bad(n) for n in range(10_001)))), 422, "too_many_refused_rows")
    hopeless = hopeless["import"]["id"]
    broken = problem(await store.load(b"\x1f\x8b broken", **{"Content-Encoding": "gzip"}), 400, "broken_stream")
    running = (await store.load(file_of(good(2)))).json()["id"]
    await sql.execute("UPDATE imports SET finished_at = NULL WHERE id = $1", int(running.removeprefix("imp_")))

    async def ended() -> dict[str, tuple[str, str | None]]:
        page = (await api.get(f"/sources/{store.source}/imports", headers=store.auth)).json()["items"]
        return {each["id"]: (each["status"], each["problem"]) for each in page}

    told = await ended()
    assert next(iter(told)) == running
    assert told[running] == ("running", None)
    assert told[hopeless] == ("failed", "too_many_refused_rows")
    assert told[complete] == ("complete", None)
    assert "import" not in broken
    clock.now += timedelta(minutes=3)
    assert (await ended())[running] == ("interrupted", None)
    whole = await whole_import(store, hopeless)
    assert len(whole["rejected"]) == whole["rejected_count"] == 10_000

    first = await api.get(f"/sources/{store.source}/imports?limit=2", headers=store.auth)
    rest = await api.get(first.links["next"]["url"], headers=store.auth)
    assert [each["id"] for each in (*first.json()["items"], *rest.json()["items"])] == [*told]


async def test_refused_rows_are_forgotten_after_thirty_days_and_their_count_stays(open_store, sql, database, clock):
    store = await open_store()
    old = (await store.load(file_of(good(1), bad(2)))).json()["id"]
    clock.now += timedelta(days=20)
    young = (await store.load(file_of(good(3), bad(4)))).json()["id"]
    clock.now += timedelta(days=10, minutes=1)

    await work_once(database, clock)

    shown = await whole_import(store, old)
    assert (shown["rejected_count"], shown["rejected_kept"], shown["rejected"]) == (1, 0, [])
    assert shown["rejected_until"] is None
    assert len((await whole_import(store, young))["rejected"]) == 1
    assert await sql.fetchval("SELECT count(*) FROM refused_rows") == 1


async def test_an_import_of_another_source_is_unknown(api, open_store):
    one = await open_store()
    two = await open_store(beside=one)
    done = (await one.load(file_of(good(1)))).json()["id"]

    problem(await api.get(f"/sources/{two.source}/imports/{done}", headers=one.auth), 404, "unknown_import")
    assert (await api.get(f"/sources/{two.source}/imports", headers=one.auth)).json()["items"] == []
