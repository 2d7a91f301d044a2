"""Stores that are asked: connecting, reading everything, and keeping in step whatever is lost on the way."""

import asyncio
from datetime import timedelta

import pytest
from answers import problem
from fake_shops import broken, fake_shopify, fake_woo, pulled_form, slow_down, truncated
from shop import OPERATOR
from webhooks_of_stores import sent, shopify_order, shopify_refund, woo_order

from app.deletion.remove_rows import DELETION_GRACE
from app.sources import pull_orders, shopify_admin
from app.sources.pull_orders import RECONCILE_EVERY
from app.sources.store_work import StoreWork
from app.worker import work_once

pytestmark = pytest.mark.usefixtures("midday")

SITE = "https://leaderboard.example"
LATER = RECONCILE_EVERY + timedelta(seconds=1)


@pytest.fixture
def work(database, connections, clock):
    """The worker's part."""
    return StoreWork.on(database, connections, clock, SITE)


@pytest.fixture(autouse=True)
def bulk_operations_are_quick(monkeypatch):
    monkeypatch.setattr(shopify_admin, "BULK_POLL_SECONDS", 0.01)


@pytest.fixture
async def woo_shop():
    async with fake_woo() as shop:
        yield shop


@pytest.fixture
async def shopify_shop():
    async with fake_shopify() as shop:
        yield shop


async def connected(open_store, platform, shop, **fields):
    wanted = {"platform": platform, "credentials": shop.credentials, "currency": None, "time_zone": None, "name": None}
    return await open_store(**wanted | fields)


async def source(store) -> dict:
    return (await store.api.get(f"/sources/{store.source}", headers=store.auth)).json()


async def board(store) -> list[tuple[str | None, int, str]]:
    rows = (await store.ask(time_frame="all_time"))["items"]
    return [(row["customer"]["external_id"], row["number_of_purchases"], row["total_spend"]) for row in rows]


def filled(shop, number: int, **fields):
    for each in range(1, number + 1):
        second = f"2026-03-01T{12 + each // 3600:02}:{each // 60 % 60:02}:{each % 60:02}"
        shop.orders[each] = woo_order(
            each, "1.00", customer_id=each % 7 + 1, billing={}, date_modified_gmt=second, **fields
        )


def filled_shopify(shop, number: int):
    for each in range(1, number + 1):
        second = f"2026-03-01T12:{each // 60 % 60:02}:{each % 60:02}+00:00"
        shop.orders[each] = pulled_form(shopify_order(each, customer=each % 7 + 1, total="1.00", updated_at=second))


# ---------------------------------------------------------------- connecting


async def test_a_store_connects_by_its_credentials_alone(open_store, woo_shop, shopify_shop, work):
    for platform, shop in (("woocommerce", woo_shop), ("shopify", shopify_shop)):
        store = await connected(open_store, platform, shop)
        shown = await source(store)
        assert (shown["currency"], shown["time_zone"], shown["url"]) == (
            "EUR",
            "Europe/Rome",
            "https://bottega.example",
        )
        assert shown["name"] in {"Bottega & Figli", "Bottega"}
        assert (shown["connection"], shown["sync"]["backfill"]["is_complete"]) == ("connecting", False)

        await work.run_once()

        sync = (await source(store))["sync"]
        assert (sync["state"], sync["reason"], sync["backfill"]["is_complete"]) == ("live", None, True)
        assert {each.get("uri") or each["delivery_url"] for each in shop.hooks} == {
            f"{SITE}/webhooks/{store.source}/{platform}"
        }


async def test_what_differs_from_the_store_or_cannot_be_asked_is_refused_and_nothing_is_stored(
    api, open_store, woo_shop, sql
):
    store = await open_store()
    body = {"audience": store.audience, "platform": "woocommerce", "credentials": woo_shop.credentials}
    stored = await sql.fetchval("SELECT count(*) FROM sources")

    async def refused(status: int, code: str, **fields):
        return problem(await api.post("/sources", json=body | fields, headers=store.auth), status, code)

    assert (await refused(422, "invalid_request", currency="USD"))["errors"][0]["code"] == "another_currency"
    wrong = woo_shop.credentials | {"consumer_secret": "wrong", "consumer_key": "wrong"}
    await refused(422, "store_login_refused", credentials=wrong)
    for url, reason in (("http://169.254.169.254/", "unsafe_address"), ("http://10.0.0.1", "unsafe_address")):
        told = await refused(422, "store_not_reached", credentials=woo_shop.credentials | {"url": url})
        assert told["reason"] == reason
    woo_shop.trouble += [broken()]
    assert (await refused(422, "store_not_reached"))["reason"] == "status_500"
    woo_shop.trouble += [truncated(b'{"name"')]
    assert (await refused(422, "store_not_reached"))["reason"] == "not_json"
    assert (await refused(422, "invalid_request", credentials={"url": "x"}))["errors"][0]["code"] == "wrong_credentials"
    await refused(422, "invalid_request", webhook_secrets=["a"])
    await refused(422, "invalid_request", credentials=None)
    await refused(404, "unknown_audience", audience="aud_999")
    assert await sql.fetchval("SELECT count(*) FROM sources") == stored


async def test_a_store_says_what_to_enter_by_hand(open_store):
    store = await open_store(platform="shopify", webhook_secrets=["x"])
    setup = (await store.api.get(f"/sources/{store.source}/setup", headers=store.auth)).json()
    assert setup["webhook_address"].endswith(f"/webhooks/{store.source}/shopify")
    assert "orders/create" in setup["topics"]
    assert setup["steps"]
    plain = await open_store()
    assert (await plain.api.get(f"/sources/{plain.source}/setup", headers=plain.auth)).json()["webhook_address"] is None


# ---------------------------------------------------------------- reading everything


async def test_everything_is_read_once_page_by_page(open_store, woo_shop, shopify_shop, work):
    filled(woo_shop, 250)
    filled_shopify(shopify_shop, 250)
    for platform, shop in (("woocommerce", woo_shop), ("shopify", shopify_shop)):
        store = await connected(open_store, platform, shop)
        await work.run_once()
        shown = await source(store)
        assert shown["health"]["orders"] == shown["health"]["purchases"] == 250
        assert (shown["sync"]["backfill"]["orders"], shown["sync"]["backfill"]["expected"]) == (250, 250)


async def test_codes_that_are_pulled_are_those_that_webhooks_tell(open_store, shopify_shop, work, sql):
    order = shopify_order(1, discount_codes=[{"code": "B"}, {"code": "A"}], updated_at="2026-03-18T12:00:00Z")
    shopify_shop.orders[1] = pulled_form(order)
    store = await connected(open_store, "shopify", shopify_shop)
    await work.run_once()
    pulled = await sql.fetchrow("SELECT discount_codes, content_hash FROM orders")
    await sent(store, "shopify", "orders/updated", order, shopify_shop.client_secret)
    await work.inbox.settle_all()

    assert pulled["discount_codes"] == "A\nB"
    assert await sql.fetchrow("SELECT discount_codes, content_hash FROM orders") == pulled


async def test_many_orders_of_one_second_are_all_read(open_store, woo_shop, work):
    for each in range(1, 351):
        woo_shop.orders[each] = woo_order(each, "1.00", date_modified_gmt="2026-03-01T12:00:01")
    store = await connected(open_store, "woocommerce", woo_shop)
    await work.run_once()
    assert (await source(store))["health"]["orders"] == 350


@pytest.mark.parametrize(
    "bulk",
    [
        {"works": False, "polls": 0},
        {"works": True, "polls": 1, "status": "FAILED"},
        {"works": True, "polls": 0, "cut_at": 20_000},
        {"works": True, "polls": 0, "status": "EXPIRED"},
    ],
)
async def test_where_a_bulk_operation_fails_orders_are_read_by_pages(open_store, shopify_shop, work, bulk):
    filled_shopify(shopify_shop, 120)
    shopify_shop.bulk = bulk
    store = await connected(open_store, "shopify", shopify_shop)
    await work.run_once()
    assert (await source(store))["health"]["orders"] == 120
    assert (await source(store))["sync"]["state"] == "live"
    assert shopify_shop.asked.count("sortKey: UPDATED_AT") == 2


async def test_a_result_whose_address_has_expired_is_read_by_pages(open_store, shopify_shop, work):
    filled_shopify(shopify_shop, 30)
    store = await connected(open_store, "shopify", shopify_shop)
    shopify_shop.trouble = [lambda request: broken(403) if request.url.path == "/bulk.jsonl" else None]
    await work.run_once()
    assert (await source(store))["health"]["orders"] == 30


async def test_what_breaks_off_is_taken_up_where_it_ended(open_store, woo_shop, work, clock):
    filled(woo_shop, 250)
    store = await connected(open_store, "woocommerce", woo_shop)
    woo_shop.trouble = [
        lambda request: broken() if request.query_params.get("modified_after", "") > "2026-03-01T12:03" else None
    ]
    await work.run_once()
    first = await source(store)
    clock.now += timedelta(minutes=1)
    await work.run_once()

    assert (first["sync"]["backfill"]["is_complete"], first["sync"]["state"]) == (False, "backfilling")
    assert first["sync"]["reason"] == "status_500"
    assert 0 < first["health"]["orders"] < 250
    assert (await source(store))["health"]["orders"] == 250
    assert sum("/orders?" in each and "modified_after" not in each for each in woo_shop.asked) == 1


async def test_who_waits_for_a_slow_store_keeps_it_and_who_died_loses_it_soon(
    open_store, woo_shop, work, clock, database, connections, monkeypatch
):
    filled(woo_shop, 3)
    store = await connected(open_store, "woocommerce", woo_shop)
    clock.now, woo_shop.seconds = None, 1.5
    monkeypatch.setattr(pull_orders, "PULL_LEASE", timedelta(seconds=1))
    other = StoreWork.on(database, connections, clock, SITE)

    async def asked_by(worker) -> int:
        before = len(woo_shop.asked)
        await worker.pulls.pull_all()
        return len(woo_shop.asked) - before

    alive = asyncio.create_task(work.pulls.pull_all())
    await asyncio.sleep(1.2)
    assert await asked_by(other) == 0
    await alive
    assert (await source(store))["sync"]["state"] == "live"

    await store.sql.execute("UPDATE store_connections SET pull_due_at = now()")
    dead = asyncio.create_task(work.pulls.pull_all())
    await asyncio.sleep(0.1)
    dead.cancel()
    await asyncio.sleep(1.2)
    assert await asked_by(other) > 0


async def test_a_page_that_cannot_be_stored_is_noted_and_read_again(open_store, woo_shop, work, clock, sql):
    filled(woo_shop, 3)
    store = await connected(open_store, "woocommerce", woo_shop)
    clock.now = None
    await sql.execute("ALTER TABLE orders ADD CONSTRAINT none_now CHECK (false) NOT VALID")
    await work.run_once()
    broken_off = (await source(store))["sync"]
    await sql.execute("ALTER TABLE orders DROP CONSTRAINT none_now")
    await sql.execute("UPDATE store_connections SET pull_due_at = now()")
    await work.run_once()

    assert (broken_off["state"], broken_off["reason"]) == ("backfilling", "bug")
    assert ((await source(store))["health"]["orders"], (await source(store))["sync"]["state"]) == (3, "live")


async def test_a_token_that_ends_in_the_middle_is_renewed(open_store, shopify_shop, work):
    filled_shopify(shopify_shop, 120)
    shopify_shop.bulk = {"works": False, "polls": 0}
    store = await connected(open_store, "shopify", shopify_shop)
    shopify_shop.trouble = [
        lambda _request: (
            shopify_shop.good_tokens.clear() if shopify_shop.asked.count("sortKey: UPDATED_AT") == 2 else None
        )
    ]
    await work.run_once()
    assert (await source(store))["health"]["orders"] == 120
    assert shopify_shop.tokens >= 2


async def test_a_busy_store_is_given_the_pause_that_it_asks_for(open_store, woo_shop, work, clock):
    filled(woo_shop, 10)
    store = await connected(open_store, "woocommerce", woo_shop)
    woo_shop.trouble = [slow_down(120)]
    await work.run_once()
    clock.now += timedelta(seconds=100)
    asked = len(woo_shop.asked)
    await work.run_once()
    assert len(woo_shop.asked) == asked
    clock.now += timedelta(seconds=30)
    await work.run_once()
    assert (await source(store))["health"]["orders"] == 10


async def test_a_store_that_does_not_answer_is_asked_less_and_less_and_is_degraded(open_store, woo_shop, work, clock):
    store = await connected(open_store, "woocommerce", woo_shop)
    await work.run_once()
    woo_shop.trouble = [broken() for _ in range(1000)]
    for _ in range(600):
        clock.now += timedelta(seconds=30)
        await work.run_once()
    shown = await source(store)
    assert (shown["sync"]["state"], shown["sync"]["reason"]) == ("degraded", "status_500")
    assert len(woo_shop.trouble) > 975

    woo_shop.trouble = []
    clock.now += timedelta(hours=1)
    await work.run_once()
    assert (await source(store))["sync"]["state"] == "live"


async def test_a_refused_login_disconnects_until_there_are_new_credentials(open_store, woo_shop, work, clock):
    filled(woo_shop, 5)
    store = await connected(open_store, "woocommerce", woo_shop)
    await work.run_once()
    woo_shop.secret, woo_shop.key = "cs_another", "ck_another"
    woo_shop.orders[6] = woo_order(6, date_modified_gmt="2026-03-18T12:01:00")
    clock.now += LATER
    await work.run_once()
    gone = (await source(store))["sync"]
    clock.now += timedelta(days=1)
    asked = len(woo_shop.asked)
    await work.run_once()
    assert (gone["state"], gone["reason"], len(woo_shop.asked)) == ("disconnected", "login_refused", asked)

    change = {"credentials": woo_shop.credentials}
    answer = await store.api.patch(f"/sources/{store.source}", json=change, headers=store.auth)
    assert answer.status_code == 200, answer.text
    await work.run_once()
    shown = await source(store)
    assert (shown["connection"], shown["health"]["orders"]) == ("live", 6)


async def test_credentials_of_another_store_are_refused_unless_this_one_has_moved(open_store, woo_shop, work):
    filled(woo_shop, 2)
    store = await connected(open_store, "woocommerce", woo_shop)
    await work.run_once()

    async with fake_woo() as other:
        filled(other, 2)
        other.orders[3] = woo_order(3, date_modified_gmt="2026-03-18T12:01:00")

        async def changed(**more):
            body = {"credentials": other.credentials, **more}
            return await store.api.patch(f"/sources/{store.source}", json=body, headers=store.auth)

        refused = problem(await changed(), 422, "invalid_request")
        problem(await changed(url="https://elsewhere.example"), 422, "invalid_request")
        await work.run_once()
        before = await source(store)
        moved = await changed(url=other.url)
        await work.run_once()
        after = await source(store)

    assert (refused["errors"][0]["pointer"], refused["errors"][0]["code"]) == ("#/credentials", "another_shop")
    assert (other.asked[0].startswith("GET"), before["health"]["orders"]) == (True, 2)
    assert (moved.status_code, after["health"]["orders"]) == (200, 3)


# ---------------------------------------------------------------- keeping in step


async def test_what_webhooks_have_lost_is_found_by_the_next_round(open_store, woo_shop, shopify_shop, work, clock):
    filled(woo_shop, 3)
    filled_shopify(shopify_shop, 3)
    woo = await connected(open_store, "woocommerce", woo_shop)
    shopify = await connected(open_store, "shopify", shopify_shop)
    await work.run_once()
    clock.now += LATER
    woo_shop.orders[4] = woo_order(4, date_modified_gmt="2026-03-18T12:03:00", billing={})
    woo_shop.orders[1] |= {"status": "trash", "date_modified_gmt": "2026-03-18T12:03:00"}
    new = shopify_order(4, updated_at="2026-03-18T12:03:00+00:00", refunds=[shopify_refund(9, "15.00")])
    shopify_shop.orders[4] = pulled_form(new)
    await work.run_once()

    assert (await source(woo))["health"]["orders"] == 3
    assert ("7", 1, "40.00") in await board(woo)
    assert ("7", 1, "25.00") in await board(shopify)


async def test_the_stores_answer_wins_over_a_webhook_of_the_same_version_and_brings_back_what_was_deleted(
    open_store, woo_shop, work, clock
):
    store = await connected(open_store, "woocommerce", woo_shop)
    await work.run_once()
    at = "2026-03-18T12:03:00"
    clock.now += LATER
    secret = woo_shop.hooks[0]["secret"]
    await sent(store, "woocommerce", "order.updated", woo_order(1, "99.00", date_modified_gmt=at), secret)
    await sent(store, "woocommerce", "order.updated", woo_order(2, "50.00", date_modified_gmt=at), secret)
    await sent(store, "woocommerce", "order.deleted", {"id": 2}, secret)
    await work.inbox.settle_all()
    before = await board(store)
    woo_shop.orders = {1: woo_order(1, "10.00", date_modified_gmt=at), 2: woo_order(2, "50.00", date_modified_gmt=at)}
    clock.now += LATER
    await work.run_once()

    assert before == [("7", 1, "99.00")]
    assert await board(store) == [("7", 2, "60.00")]


async def test_orders_that_changed_without_saying_how_are_read_and_those_that_are_gone_are_deleted(
    open_store, shopify_shop, work, clock
):
    filled_shopify(shopify_shop, 2)
    store = await connected(open_store, "shopify", shopify_shop)
    await work.run_once()
    shopify_shop.orders[1]["totalPriceSet"]["shopMoney"]["amount"] = "7.00"
    del shopify_shop.orders[2]
    clock.now += timedelta(seconds=5)
    for number in (1, 2):
        edit = {"order_edit": {"order_id": number}}
        await sent(store, "shopify", "orders/edited", edit, shopify_shop.client_secret)
    await work.inbox.settle_all()
    await work.run_once()

    assert await board(store) == [("2", 1, "7.00")]


async def test_subscriptions_that_a_store_has_deleted_are_made_again(open_store, woo_shop, shopify_shop, work, clock):
    await connected(open_store, "woocommerce", woo_shop)
    await connected(open_store, "shopify", shopify_shop)
    await work.run_once()
    before = len(woo_shop.hooks), len(shopify_shop.hooks)
    del shopify_shop.hooks[2:]
    woo_shop.hooks[0]["status"] = "disabled"
    del woo_shop.hooks[3]
    clock.now += LATER
    await work.run_once()

    assert (len(woo_shop.hooks), len(shopify_shop.hooks)) == before
    assert {each["status"] for each in woo_shop.hooks} == {"active"}


@pytest.mark.parametrize("by_account", [False, True])
async def test_a_store_that_is_deleted_is_asked_to_send_nothing_any_more(
    api, open_store, woo_shop, shopify_shop, work, clock, database, by_account
):
    for platform, shop in (("woocommerce", woo_shop), ("shopify", shopify_shop)):
        store = await connected(open_store, platform, shop)
        await work.run_once()
        others = {"id": "gid://shopify/WebhookSubscription/0" if platform == "shopify" else 99, "status": "active"}
        others |= {"topic": "ORDERS_PAID", "uri": "https://other.example", "delivery_url": "https://other.example"}
        shop.hooks.append(others)
        path, auth = f"/sources/{store.source}", store.auth
        if by_account:
            path, auth = f"/accounts/{store.account}", {"Authorization": f"Bearer {OPERATOR}"}
        assert (await api.delete(path, headers=auth)).status_code == 202
        clock.now += DELETION_GRACE
        await work_once(database, clock, work)
        assert shop.hooks == [others]


async def test_a_store_that_cannot_be_asked_is_deleted_all_the_same(
    api, open_store, woo_shop, work, clock, database, capsys, sql
):
    store = await connected(open_store, "woocommerce", woo_shop)
    await work.run_once()
    woo_shop.trouble = [broken() for _ in range(100)]
    await api.delete(f"/sources/{store.source}", headers=store.auth)
    clock.now += DELETION_GRACE
    await work_once(database, clock, work)

    assert await sql.fetchval("SELECT count(*) FROM sources") == 0
    assert "webhooks not cancelled" in capsys.readouterr().out


async def test_an_order_that_cannot_be_read_is_quarantined_and_the_others_are_stored(open_store, woo_shop, work):
    filled(woo_shop, 3)
    woo_shop.orders[2]["total"] = "forty"
    store = await connected(open_store, "woocommerce", woo_shop)
    await work.run_once()
    shown = await source(store)
    assert (shown["health"]["orders"], shown["health"]["quarantined"], shown["sync"]["state"]) == (2, 1, "live")


async def test_what_a_store_withholds_is_said(open_store, shopify_shop, work):
    shopify_shop.scopes = ("read_orders",)
    sync = (await source(await connected(open_store, "shopify", shopify_shop)))["sync"]
    assert (sync["customer_data"], sync["history_from"]) == ("withheld", "2026-01-17T12:00:00Z")
    assert (sync["api_version"], sync["api_version_ends"]) == ("2026-10", "2027-10-01")


async def test_without_a_public_address_a_store_is_read_but_degraded(
    open_store, woo_shop, database, connections, clock
):
    filled(woo_shop, 3)
    store = await connected(open_store, "woocommerce", woo_shop)
    await StoreWork.on(database, connections, clock, None).run_once()
    shown = await source(store)
    assert (shown["health"]["orders"], shown["sync"]["state"], shown["sync"]["reason"]) == (
        3,
        "degraded",
        "no_public_url",
    )
    assert woo_shop.hooks == []
