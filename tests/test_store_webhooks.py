"""Webhooks of stores: what is received, what becomes of it, and what never does."""

import asyncio
import csv
import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from answers import problem
from conftest import shared
from shop import OPERATOR
from webhooks_of_stores import SECRET, sent, shopify_order, shopify_refund, signature, woo_order

from app.deletion.remove_rows import DELETION_GRACE
from app.sources import receive_webhook
from app.sources.connector import StoreWebhook, Verdict, is_hmac_sha256
from app.sources.connectors import CONNECTORS
from app.sources.settle_inbox import Inbox
from app.worker import DELIVERIES_KEPT, work_once

pytestmark = pytest.mark.usefixtures("midday")


@pytest.fixture
def inbox(database, connections, clock):
    """The worker's part."""
    return Inbox(database, connections.vault, connections.connectors, clock)


@pytest.fixture
def open_connected(open_store):
    async def opened(platform: str, **fields):
        return await open_store(platform=platform, **({"webhook_secrets": [SECRET]} | fields))

    return opened


@pytest.fixture
async def shopify(open_connected):
    return await open_connected("shopify")


@pytest.fixture
async def woo(open_connected):
    return await open_connected("woocommerce")


async def board(store) -> list[tuple[str | None, int, str]]:
    rows = (await store.ask(time_frame="all_time"))["items"]
    return [(row["customer"]["external_id"], row["number_of_purchases"], row["total_spend"]) for row in rows]


async def source(store) -> dict:
    return (await store.api.get(f"/sources/{store.source}", headers=store.auth)).json()


async def listed(store, **query) -> list[dict]:
    answer = await store.api.get(f"/sources/{store.source}/inbox", params=query, headers=store.auth)
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


# ---------------------------------------------------------------- connecting


async def test_a_store_is_live_from_its_first_webhook(woo, inbox):
    assert (await source(woo))["connection"] == "connecting"
    before = (await source(woo))["sync"]
    assert (before["state"], before["reason"], before["last_delivery_at"]) == ("connecting", "no_delivery_yet", None)

    assert (await sent(woo, "woocommerce", "order.created", woo_order(1))).status_code == 200
    waiting = (await source(woo))["sync"]["inbox"]
    await inbox.settle_all()

    after = await source(woo)
    assert (waiting["waiting"], after["sync"]["inbox"]["waiting"]) == (1, 0)
    assert (after["connection"], after["sync"]["reason"]) == ("live", None)
    assert after["sync"]["last_delivery_at"] == "2026-03-18T12:00:00Z"
    assert await board(woo) == [("7", 1, "40.00")]


async def test_only_stores_that_send_webhooks_have_secrets_and_no_answer_shows_them(api, open_store, open_connected):
    for platform in ("custom", "mailchimp"):
        plain = await open_store(platform=platform)
        assert (await source(plain))["sync"] is None
        body = {"audience": plain.audience, "name": "S", "platform": platform, "currency": "EUR", "time_zone": "UTC"}
        refused = await api.post("/sources", json=body | {"webhook_secrets": [SECRET]}, headers=plain.auth)
        assert problem(refused, 422, "invalid_request")["errors"][0]["code"] == "no_connector"
        changed = {"webhook_secrets": [SECRET]}
        problem(await api.patch(f"/sources/{plain.source}", json=changed, headers=plain.auth), 422, "invalid_request")
    store = await open_connected("shopify")
    for wrong in ([], ["a", "b", "c"], [""], ["a\nb"], ["x" * 256], "text"):
        answer = await api.patch(f"/sources/{store.source}", json={"webhook_secrets": wrong}, headers=store.auth)
        problem(answer, 422, "invalid_request")
        assert "x" * 256 not in answer.text
    for path in ("/sources", f"/sources/{store.source}"):
        assert SECRET not in (await api.get(path, headers=store.auth)).text


async def test_while_a_secret_is_changed_both_are_good(shopify, inbox):
    change = {"webhook_secrets": [SECRET, "the next secret"]}
    changed = await shopify.api.patch(f"/sources/{shopify.source}", json=change, headers=shopify.auth)
    assert changed.status_code == 200, changed.text

    for number, secret in enumerate((SECRET, "the next secret"), 1):
        answer = await sent(shopify, "shopify", "orders/create", shopify_order(number), secret)
        assert answer.status_code == 200
    last = {"webhook_secrets": ["the next secret"]}
    await shopify.api.patch(f"/sources/{shopify.source}", json=last, headers=shopify.auth)

    problem(await sent(shopify, "shopify", "orders/create", shopify_order(3)), 401, "forged_webhook")
    await inbox.settle_all()
    assert await board(shopify) == [("7", 2, "80.00")]


# ---------------------------------------------------------------- receiving


async def test_what_is_not_signed_by_the_store_is_401_and_nothing_is_stored(shopify, woo, sql):
    body = json.dumps(shopify_order(1)).encode()
    good = signature(SECRET, body)
    for store, header in ((shopify, "X-Shopify-Hmac-SHA256"), (woo, "X-WC-Webhook-Signature")):
        url = f"/webhooks/{store.source}/{'shopify' if store is shopify else 'woocommerce'}"
        wrong = [
            signature("another", body),
            good[:-4],
            good + "AAAA",
            "x",
            "é".encode(),
            signature(SECRET, body + b" "),
        ]
        for value in wrong:
            problem(await store.api.post(url, content=body, headers={header: value}), 401, "forged_webhook")
        problem(await store.api.post(url, content=body), 401, "forged_webhook")
        problem(await store.api.post(url, headers={header: signature(SECRET, b"")}), 401, "forged_webhook")
    assert await sql.fetchval("SELECT count(*) FROM inbox") == 0


async def test_the_unsigned_ping_of_woocommerce_is_answered_and_not_stored(woo, shopify, sql):
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    ping = await woo.api.post(f"/webhooks/{woo.source}/woocommerce", content=b"webhook_id=7", headers=form)
    other = await shopify.api.post(f"/webhooks/{shopify.source}/shopify", content=b"webhook_id=7", headers=form)

    assert ping.status_code == 200
    problem(other, 401, "forged_webhook")
    assert await sql.fetchval("SELECT count(*) FROM inbox") == 0


async def test_an_address_that_is_no_connected_store_is_404(api, woo, open_store):
    plain = await open_store()
    for address in (
        *("src_999/woocommerce", "x/woocommerce", f"{woo.source}/shopify", f"{woo.source}/mailchimp"),
        *(f"{plain.source}/custom", f"{plain.source}/woocommerce", "src_0/shopify"),
    ):
        problem(await api.post(f"/webhooks/{address}", content=b"webhook_id=7"), 404, "unknown_source")


async def test_a_closed_account_receives_nothing(api, woo, monkeypatch):
    monkeypatch.setattr(receive_webhook, "RECEIVER_REMEMBERED_SECONDS", 0.0)
    assert (await sent(woo, "woocommerce", "order.created", woo_order(1))).status_code == 200
    operator = {"Authorization": f"Bearer {OPERATOR}"}
    await api.patch(f"/accounts/{woo.account}", json={"closed": True}, headers=operator)
    problem(await sent(woo, "woocommerce", "order.created", woo_order(2)), 404, "unknown_source")


def test_every_signature_vector_has_its_verdict():
    for vector in json.loads(shared("payloads", "hmac_vectors.json").read_text()):
        message, given = vector["message_utf8"].encode(), vector["signature"]
        if vector["encoding"] == "hex":
            assert is_hmac_sha256(vector["secret"], message, bytes.fromhex(given)) is vector["valid"]
            continue
        for platform, header in (("shopify", "x-shopify-hmac-sha256"), ("woocommerce", "x-wc-webhook-signature")):
            webhook = StoreWebhook({header: given}, message)
            for secrets in ([vector["secret"]], ["another", vector["secret"]]):
                verdict = CONNECTORS.of_platform[platform].verify(webhook, secrets)
                assert (verdict is Verdict.SIGNED) is vector["valid"], vector


async def test_the_secret_of_woocommerce_may_have_been_entered_with_entities(open_connected, inbox):
    store = await open_connected("woocommerce", webhook_secrets=["a &amp; b &#039;c&#039;"])
    assert (await sent(store, "woocommerce", "order.created", woo_order(1), "a & b 'c'")).status_code == 200


# ---------------------------------------------------------------- what the network does


async def test_duplicates_change_nothing(woo, shopify, inbox, sql):
    for _ in range(3):
        await sent(woo, "woocommerce", "order.created", woo_order(1), Delivery_ID="same")
        await sent(woo, "woocommerce", "order.updated", woo_order(1))
        await sent(shopify, "shopify", "orders/updated", shopify_order(1), Webhook_Id="same")
        await inbox.settle_all()

    assert await board(woo) == await board(shopify) == [("7", 1, "40.00")]
    stored = await sql.fetch("SELECT source_id, count(*) AS stored FROM inbox GROUP BY 1 ORDER BY 1")
    assert {row["source_id"]: row["stored"] for row in stored} == {woo.source_id: 4, shopify.source_id: 1}


async def test_orders_of_one_second_share_a_delivery_id_at_woocommerce_and_none_is_lost(woo, inbox):
    for number in range(1, 6):
        await sent(woo, "woocommerce", "order.created", woo_order(number), Delivery_ID="of this second")
    await inbox.settle_all()
    assert await board(woo) == [("7", 5, "200.00")]


async def test_a_stale_retry_does_not_replace_what_is_newer(woo, shopify, inbox):
    await sent(woo, "woocommerce", "order.updated", woo_order(1, "25.00", date_modified_gmt="2026-03-02T09:00:00"))
    await sent(woo, "woocommerce", "order.created", woo_order(1, "40.00"))
    newer = shopify_order(1, total="25.00", updated_at="2026-03-02T09:00:00-05:00")
    await sent(shopify, "shopify", "orders/updated", newer)
    await inbox.settle_all()
    await sent(shopify, "shopify", "orders/create", shopify_order(1))
    await inbox.settle_all()

    assert await board(woo) == await board(shopify) == [("7", 1, "25.00")]


async def test_an_order_that_was_deleted_before_it_was_created_stays_deleted(woo, shopify, inbox):
    await sent(woo, "woocommerce", "order.deleted", {"id": 1})
    await sent(woo, "woocommerce", "order.created", woo_order(1))
    await sent(shopify, "shopify", "orders/delete", {"id": 1}, Triggered_At="2026-03-02T09:00:00.123456789Z")
    await inbox.settle_all()
    await sent(shopify, "shopify", "orders/create", shopify_order(1))
    await inbox.settle_all()

    assert await board(woo) == await board(shopify) == []


async def test_an_order_in_the_trash_of_woocommerce_is_deleted(woo, inbox):
    await sent(woo, "woocommerce", "order.created", woo_order(1))
    await sent(woo, "woocommerce", "order.updated", woo_order(1, status="trash"))
    await inbox.settle_all()
    assert await board(woo) == []


async def test_a_refund_counts_at_once_and_once_only(shopify, inbox, sql):
    await sent(shopify, "shopify", "orders/create", shopify_order(1))
    await inbox.settle_all()
    await sent(shopify, "shopify", "refunds/create", shopify_refund(5, "15.00"))
    await inbox.settle_all()
    told_alone = await board(shopify)
    again = shopify_order(1, refunds=[shopify_refund(5, "15.00")], updated_at="2026-03-02T12:00:00+01:00")
    await sent(shopify, "shopify", "orders/updated", again)
    await sent(shopify, "shopify", "refunds/create", shopify_refund(5, "15.00"))
    await inbox.settle_all()

    assert told_alone == await board(shopify) == [("7", 1, "25.00")]
    assert await sql.fetchval("SELECT order_id FROM orders_to_read") == "1"


async def test_a_refund_that_comes_before_its_order_waits_for_it(shopify, inbox):
    await sent(shopify, "shopify", "refunds/create", shopify_refund(5, "15.00"))
    await inbox.settle_all()
    await sent(shopify, "shopify", "refunds/create", shopify_refund(6, "5.00"))
    await sent(shopify, "shopify", "orders/create", shopify_order(1))
    await inbox.settle_all()
    assert await board(shopify) == [("7", 1, "20.00")]


async def test_ids_beyond_2_to_the_53_stay_exact(shopify, inbox, sql):
    order = shopify_order(820982911946154508, customer=115310627314723954)
    await sent(shopify, "shopify", "orders/create", order)
    await inbox.settle_all()
    assert await board(shopify) == [("115310627314723954", 1, "40.00")]
    assert await sql.fetchval("SELECT order_id FROM orders") == "820982911946154508"


async def test_discount_codes_are_kept_and_read_back_and_go_with_the_person(shopify, woo, inbox, sql):
    codes = [
        {"code": "SPRING", "amount": "4.00"},
        {"code": "ADA\n10 \ud800"},
        {"code": ""},
        {},
        "x",
        {"code": "a" * 256},
    ]
    await sent(shopify, "shopify", "orders/create", shopify_order(1, discount_codes=codes))
    await sent(woo, "woocommerce", "order.created", woo_order(1, coupon_lines=[{"id": 1, "code": "spring"}]))
    await sent(woo, "woocommerce", "order.created", woo_order(2, customer_id=8, billing={}))
    await inbox.settle_all()

    async def read_back(store, number: int) -> list[str]:
        order = (await store.api.get(f"/sources/{store.source}/orders/{number}", headers=store.auth)).json()
        listed = (await store.api.get(f"/sources/{store.source}/orders", headers=store.auth)).json()["items"]
        assert [each["discount_codes"] for each in listed if each["order_id"] == str(number)] == [
            order["discount_codes"]
        ]
        told: list[str] = order["discount_codes"]
        return told

    assert await read_back(shopify, 1) == ["ADA 10 ?", "SPRING"]
    assert (await read_back(woo, 1), await read_back(woo, 2)) == (["spring"], [])
    ida = (await people(shopify))["7"]["id"]
    export = (await shopify.api.get(f"/customers/{ida}/export", headers=shopify.auth)).json()
    assert [each["discount_codes"] for each in export["orders"]] == [["ADA 10 ?", "SPRING"]]

    await sent(woo, "woocommerce", "order.updated", woo_order(1, date_modified_gmt="2026-03-01T12:00:01"))
    await inbox.settle_all()
    assert await read_back(woo, 1) == []
    await shopify.erase(ida)
    assert await sql.fetchval("SELECT count(*) FROM orders WHERE discount_codes IS NOT NULL") == 0


async def test_only_the_money_of_the_shop_counts(shopify, inbox):
    set_of_money = {
        "shop_money": {"amount": "40.00", "currency_code": "EUR"},
        "presentment_money": {"amount": "6000", "currency_code": "JPY"},
    }
    refund = shopify_refund(5, "1500")
    refund["transactions"][0]["currency"] = "JPY"
    order = shopify_order(1, total="6000", total_price_set=set_of_money, currency="EUR", refunds=[refund])
    await sent(shopify, "shopify", "orders/create", order)
    await inbox.settle_all()
    assert await board(shopify) == [("7", 1, "30.00")]


async def test_a_cancelled_order_does_not_count_though_it_was_paid(shopify, woo, inbox):
    await sent(shopify, "shopify", "orders/cancelled", shopify_order(1, cancelled_at="2026-03-02T12:00:00+01:00"))
    for number, status in enumerate(("cancelled", "failed", "pending", "on-hold", "shipped-by-plugin"), 1):
        await sent(woo, "woocommerce", "order.updated", woo_order(number, status=status))
    await inbox.settle_all()
    assert await board(shopify) == await board(woo) == []
    assert (await source(woo))["health"]["orders"] == 5


async def test_uninstalling_the_app_disconnects(shopify, inbox):
    await sent(shopify, "shopify", "orders/create", shopify_order(1))
    await sent(shopify, "shopify", "app/uninstalled", {"id": 1})
    await inbox.settle_all()

    sync = (await source(shopify))["sync"]
    assert (sync["state"], sync["reason"]) == ("disconnected", "uninstalled")
    assert await board(shopify) == [("7", 1, "40.00")]


# ---------------------------------------------------------------- what cannot be read


POISON = {
    b"\xff\xfe": "not_json",
    b"[]": "not_an_object",
    b"[" * 100_000: "not_json",
    b'{"id": NaN}': "not_json",
    b"{}": "missing_id",
    b'{"id": 0}': "missing_id",
    b'{"id": {"a": 1}}': "missing_id",
    b'{"id": 5, "refunds": [{"id": 1, "total": "1e999999999"}]}': "invalid_amount",
    b'{"id": 5, "total": "4.00", "currency": "EUR", "status": "completed"}': "missing_ordered_at",
    json.dumps(woo_order(6, total="forty")).encode(): "invalid_total",
    json.dumps(woo_order(7, currency="XYZ")).encode(): "unknown_currency",
    json.dumps(woo_order(8, date_created_gmt="2099-01-01T00:00:00")).encode(): "future_ordered_at",
}


async def test_poison_is_quarantined_with_its_reason_and_does_not_keep_its_neighbours_waiting(woo, inbox):
    for number, body in enumerate(POISON, 100):
        await sent(woo, "woocommerce", "order.updated", woo_order(number, "1.00"))
        assert (await sent(woo, "woocommerce", "order.updated", body)).status_code == 200
    await inbox.settle_all()

    assert await board(woo) == [("7", len(POISON), f"{len(POISON)}.00")]
    quarantined = await listed(woo, status="quarantined")
    assert [each["reason"] for each in reversed(quarantined)] == [*POISON.values()]
    assert (await source(woo))["health"]["quarantined"] == len(POISON)
    assert all(each["detail"] for each in quarantined)


async def test_a_webhook_is_replayed(woo, inbox, sql):
    await sent(woo, "woocommerce", "order.updated", woo_order(1))
    await inbox.settle_all()
    (one,) = await listed(woo)
    assert (one["status"], one["topic"]) == ("applied", "order.updated")
    await sql.execute("UPDATE inbox SET status = 'quarantined', reason = 'bug', detail = 'x'")
    await sql.execute("DELETE FROM orders")

    replayed = await woo.api.post(f"/sources/{woo.source}/inbox/{one['id']}/replay", headers=woo.auth)
    await inbox.settle_all()

    assert (replayed.status_code, replayed.json()["status"], replayed.json()["reason"]) == (200, "waiting", None)
    assert [each["status"] for each in await listed(woo)] == ["applied"]
    assert await sql.fetchval("SELECT count(*) FROM orders") == 1


async def test_the_inbox_is_paged_newest_first(woo, inbox):
    for number in range(1, 8):
        topic = "order.updated" if number % 2 else "product.updated"
        await sent(woo, "woocommerce", topic, woo_order(number))
    await inbox.settle_all()

    pages, cursor = [], None
    while True:
        query = {"limit": 3} | ({"cursor": cursor} if cursor else {})
        page = (await woo.api.get(f"/sources/{woo.source}/inbox", params=query, headers=woo.auth)).json()
        pages += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    ids = [int(each["id"].removeprefix("inb_")) for each in pages]
    assert len(ids) == 7
    assert all(one > other for one, other in pairwise(ids))
    assert [each["topic"] for each in await listed(woo, status="ignored")] == ["product.updated"] * 3


# ---------------------------------------------------------------- people


async def people(store) -> dict[str, dict]:
    found = (await store.api.get(f"/customers?source={store.source}", headers=store.auth)).json()["items"]
    return {each["external_id"]: each for each in found}


def shopify_customer(number: int, email: str, **fields) -> dict:
    at = "2026-03-02T12:00:00+01:00"
    return {"id": number, "email": email, "first_name": "Ida", "last_name": "Rossi", "updated_at": at, **fields}


async def test_contact_data_and_consent_come_by_topics_of_their_own_and_newer_ones_stay(shopify, inbox):
    await sent(shopify, "shopify", "customers/update", shopify_customer(7, "ida@shopper.example"))
    await sent(
        shopify, "shopify", "customers/create", shopify_customer(7, "old@x.example", updated_at="2026-03-01T00:00:00Z")
    )
    for state, at in (
        ("subscribed", "2026-03-03T12:00:00Z"),
        ("unsubscribed", "2026-03-02T12:00:00Z"),
        ("pending", None),
    ):
        consent = {"state": state, "opt_in_level": "single_opt_in", "consent_updated_at": at}
        body = {"customer_id": 7, "email_address": "ida@shopper.example", "email_marketing_consent": consent}
        for topic in ("customers_email_marketing_consent/update", "customers/email_marketing_consent_update"):
            await sent(shopify, "shopify", topic, body)
    await inbox.settle_all()

    ida = (await people(shopify))["7"]
    assert (ida["email"], ida["name"], ida["marketing"]) == ("ida@shopper.example", "Ida Rossi", "subscribed")


async def test_an_address_that_has_left_gets_no_offers_though_the_store_says_that_the_person_agrees(shopify, inbox):
    async def agreed(at: str) -> str:
        consent = {"state": "subscribed", "opt_in_level": "single_opt_in", "consent_updated_at": at}
        body = {"customer_id": 7, "email_address": "ida@shopper.example", "email_marketing_consent": consent}
        await sent(shopify, "shopify", "customers_email_marketing_consent/update", body)
        await inbox.settle_all()
        marketing: str = (await people(shopify))["7"]["marketing"]
        return marketing

    assert await agreed("2026-03-01T12:00:00Z") == "subscribed"
    left = {"reason": "left", "since": "2026-03-02T12:00:00Z"}
    answer = await shopify.api.put("/account/suppressions/ida@shopper.example", json=left, headers=shopify.auth)
    assert answer.status_code < 300, answer.text
    assert await agreed("2026-03-01T13:00:00Z") == "unsubscribed"
    assert await agreed("2026-03-03T12:00:00Z") == "unsubscribed"
    lifted = await shopify.api.delete(
        "/account/suppressions/ida@shopper.example",
        params={"opted_in_at": "2026-03-03T12:00:00Z"},
        headers=shopify.auth,
    )
    assert lifted.status_code == 204
    assert await agreed("2026-03-03T12:00:00Z") == "subscribed"


async def test_merged_customers_are_one_when_the_merge_has_completed(shopify, inbox):
    await sent(shopify, "shopify", "orders/create", shopify_order(1, customer=7))
    await sent(shopify, "shopify", "orders/create", shopify_order(2, customer=8))
    gids = {
        "admin_graphql_api_customer_kept_id": "gid://shopify/Customer/7",
        "admin_graphql_api_customer_deleted_id": "gid://shopify/Customer/8",
    }
    await sent(shopify, "shopify", "customers/merge", gids | {"status": "failed"})
    await inbox.settle_all()
    before = await board(shopify)
    await sent(shopify, "shopify", "customers/merge", gids | {"status": "completed"})
    await inbox.settle_all()

    assert sorted(before) == [("7", 1, "40.00"), ("8", 1, "40.00")]
    assert await board(shopify) == [("7", 2, "80.00")]


@pytest.mark.parametrize(
    "named", [{"id": 7, "email": "ida@shopper.example"}, {"id": 7}, {"email": "ida@shopper.example"}]
)
async def test_a_person_whom_the_store_redacts_is_erased_with_all_webhooks_about_them(shopify, inbox, sql, named):
    await sent(shopify, "shopify", "orders/create", shopify_order(1, email="ida@shopper.example"))
    await sent(shopify, "shopify", "orders/create", shopify_order(2, customer=8, email="bea@shopper.example"))
    await inbox.settle_all()
    redact = {"shop_id": 1, "customer": {"phone": None, **named}, "orders_to_redact": [1]}
    await sent(shopify, "shopify", "customers/redact", redact)
    await inbox.settle_all()

    assert set(await people(shopify)) == {"8"}
    assert await board(shopify) == [("8", 1, "40.00")]
    kept = [row["kept"] for row in await sql.fetch("SELECT content IS NOT NULL AS kept FROM inbox ORDER BY id")]
    assert kept == [False, True, False]


async def test_a_request_for_data_is_told_to_the_operator(shopify, inbox, capsys):
    await sent(shopify, "shopify", "orders/create", shopify_order(1, email="ida@shopper.example"))
    await sent(shopify, "shopify", "customers/data_request", {"customer": {"id": 7, "email": "ida@shopper.example"}})
    await inbox.settle_all()
    ida = (await people(shopify))["7"]["id"]
    told = capsys.readouterr().out
    assert "data request" in told
    assert ida in told
    assert "shopper.example" not in told


async def test_a_store_that_asks_for_it_is_deleted_as_by_its_account(api, shopify, inbox, database, clock, sql):
    await sent(shopify, "shopify", "orders/create", shopify_order(1, email="ida@shopper.example"))
    await sent(shopify, "shopify", "app/uninstalled", {"id": 1})
    await inbox.settle_all()
    kept = await board(shopify)
    clock.now += timedelta(hours=48)
    assert (await sent(shopify, "shopify", "shop/redact", {"shop_id": 1})).status_code == 200
    await sent(shopify, "shopify", "orders/create", shopify_order(2))
    await inbox.settle_all()

    problem(await api.get(f"/sources/{shopify.source}", headers=shopify.auth), 404, "unknown_source")
    deletion = await api.get(f"/sources/{shopify.source}/deletion", headers=shopify.auth)
    assert (deletion.status_code, deletion.json()["gone_at"]) == (200, None)
    newest = (await api.get("/account/audit", headers=shopify.auth)).json()["items"][0]
    assert (newest["action"], newest["by"]) == ("source_deleted", "store")
    clock.now += DELETION_GRACE
    await work_once(database, clock)
    gone = (await api.get(f"/sources/{shopify.source}/deletion", headers=shopify.auth)).json()
    left = [
        await sql.fetchval(f"SELECT count(*) FROM {table}") for table in ("sources", "orders", "customers", "inbox")
    ]
    assert (kept, left) == ([("7", 1, "40.00")], [0, 0, 0, 0])
    assert gone["gone_at"] is not None


# ---------------------------------------------------------------- at rest


async def test_the_webhooks_about_a_person_go_with_the_person(woo, inbox, sql):
    billing = {"email": "bea@shopper.example"}
    await sent(woo, "woocommerce", "order.created", woo_order(1))
    await sent(woo, "woocommerce", "order.created", woo_order(2, customer_id=8, billing=billing))
    await sent(woo, "woocommerce", "customer.updated", {"id": 7, "email": "Ida@shopper.example"})
    await sent(woo, "woocommerce", "order.updated", b"no JSON, but ida@shopper.example")
    await inbox.settle_all()
    await sent(woo, "woocommerce", "order.updated", woo_order(1, "41.00", date_modified_gmt="2026-03-02T09:00:00"))
    (ida,) = (await woo.api.get(f"/customers?source={woo.source}&external_id=7", headers=woo.auth)).json()["items"]

    await woo.erase(ida["id"])
    await inbox.settle_all()

    kept = await sql.fetch("SELECT topic, content IS NOT NULL AS kept FROM inbox ORDER BY id")
    assert [row["kept"] for row in kept] == [False, True, False, False, False]
    assert await board(woo) == [("8", 1, "40.00")]
    erased = (await listed(woo))[-1]["id"]
    answer = await woo.api.post(f"/sources/{woo.source}/inbox/{erased}/replay", headers=woo.auth)
    problem(answer, 409, "content_erased")


async def test_webhooks_are_kept_for_14_days(woo, inbox, sql, database, clock):
    await sent(woo, "woocommerce", "order.created", woo_order(1))
    await inbox.settle_all()
    await sent(woo, "woocommerce", "order.created", woo_order(2))
    clock.now += DELIVERIES_KEPT + timedelta(seconds=1)
    await work_once(database, clock)

    assert await sql.fetch("SELECT status FROM inbox") == [("waiting",)]


# ---------------------------------------------------------------- real documents


def documents(path):
    """The orders in a file, however they are wrapped."""
    found = json.loads(path.read_text())
    if isinstance(found, list):
        return found
    for name in ("order", "orders", "create", "update", "delete"):
        if name in found:
            inner = found[name]
            rest = [each for key in ("update", "delete") if key != name for each in found.get(key, [])]
            return (inner if isinstance(inner, list) else [inner]) + (rest if name == "create" else [])
    return [found]


async def test_every_real_document_gives_the_order_that_facts_csv_says(open_connected, inbox, sql):
    with shared("payloads", "FACTS.csv").open() as file:
        facts = [*csv.DictReader(file)]
    for fact in facts:
        store = await open_connected(fact["kind"], currency=fact["currency"])
        (order,) = [each for each in documents(shared("payloads", fact["file"])) if str(each["id"]) == fact["order_id"]]
        topic = "orders/create" if fact["kind"] == "shopify" else "order.created"
        assert (await sent(store, fact["kind"], topic, order)).status_code == 200
        await inbox.settle_all()

        assert await listed(store, status="quarantined") == [], fact
        row = await sql.fetchrow(
            "SELECT o.*, o.status::text AS word, c.external_id, c.email FROM orders o"
            " LEFT JOIN customers c ON c.id = o.customer_id WHERE o.source_id = $1", store.source_id,
        )  # fmt: skip
        assert facts_of(row) == expected_facts(fact), fact


def facts_of(row) -> dict:
    return {
        "order_id": row["order_id"],
        "customer_id": row["external_id"],
        "email": row["email"],
        "total": row["total"],
        "items": row["items"],
        "test": row["test"],
        "status": row["word"],
        "ordered_at": row["ordered_at"].isoformat(),
    }


WOO_WORDS = {"processing": "paid", "completed": "paid"}


def expected_facts(fact: dict) -> dict:

    is_shopify = fact["kind"] == "shopify"
    moment = (fact["processed_or_paid_at"] if is_shopify else "") or fact["created_at"]
    at = datetime.fromisoformat(moment)
    return {
        "order_id": fact["order_id"],
        "customer_id": fact["customer_id"] if fact["customer_id"] not in {"", "0"} else None,
        "email": fact["email"],
        "total": int(fact["total"].replace(".", "")),
        "items": int(fact["items"]),
        "test": fact["test"] == "True",
        "status": WOO_WORDS.get(fact["status"], fact["status"]),
        "ordered_at": (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC).isoformat(),
    }


async def test_no_other_real_document_crashes_anything(shopify, inbox):
    for path in sorted(shared("payloads", "shopify", "2026-07").glob("*.json")):
        topic = path.stem.replace("__", "/")
        if topic != "shop/redact":  # it deletes the store
            assert (await sent(shopify, "shopify", topic, path.read_bytes())).status_code == 200
    await inbox.settle_all()
    assert [each for each in await listed(shopify) if each["reason"] == "bug"] == []

    last = shared("payloads", "shopify", "2026-07", "shop__redact.json").read_bytes()
    assert (await sent(shopify, "shopify", "shop/redact", last)).status_code == 200
    await inbox.settle_all()
    problem(await shopify.api.get(f"/sources/{shopify.source}", headers=shopify.auth), 404, "unknown_source")


async def test_webhooks_that_arrive_together_are_all_stored_and_one_of_a_deleted_store_harms_no_other(
    api, shopify, open_store, inbox, sql, database
):
    other = await open_store(beside=shopify, platform="shopify", webhook_secrets=[SECRET])
    orders = [shopify_order(number, total="1.00") for number in range(1, 61)]
    await sent(other, "shopify", "orders/create", orders[0])  # its secrets are remembered
    await sql.execute("DELETE FROM inbox")
    for table in ("store_connections", "boards", "sources"):
        column = "id" if table == "sources" else "source_id"
        await sql.execute(f"DELETE FROM {table} WHERE {column} = $1", other.source_id)

    both = [sent(store, "shopify", "orders/create", each) for each in orders for store in (shopify, other)]
    answers = await asyncio.gather(*both)
    await inbox.settle_all()

    assert {each.status_code for each in answers[::2]} == {200}
    assert {each.status_code for each in answers[1::2]} == {404}
    assert await board(shopify) == [("7", 60, "60.00")]


async def test_the_case_of_a_store_that_sends_its_orders_by_itself(open_store, inbox):
    case = json.loads(shared("inputs", "F19_orders_that_woocommerce_sends_by_itself.json").read_text())
    store = await open_store(**case["stores"]["a"])
    for step in case["steps"]:
        told = step.get("webhook")
        if told is None:
            await inbox.settle_all()
            continue
        secret = "of another" if told.get("forged") else told["secret"]
        url = f"/webhooks/{store.source}/woocommerce"
        if told.get("ping"):
            answer = await store.api.post(url, content=b"webhook_id=7")
        else:
            answer = await sent(store, "woocommerce", told["topic"], told["body"], secret)
        assert answer.status_code in told.get("status", [200, 202, 204])
    for expected in case["expect"]:
        if "board" in expected:
            rows = [
                [
                    row["rank"],
                    row["customer"]["external_id"] or row["customer"]["email"],
                    *(row[name] for name in ("number_of_purchases", "total_spend", "average_order_amount")),
                ]
                for row in (await store.ask(**expected["board"]))["items"]
            ]
            assert rows == expected["rows"]
        else:
            assert expected["health"].items() <= (await source(store))["health"].items()
