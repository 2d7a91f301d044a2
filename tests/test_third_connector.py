"""A third platform: its hooks say only that something has changed, as those of BigCommerce and Adobe Commerce do.

It fits without a change of the interface. The shop is a list of orders; what counts here are the connector's functions.
"""

import contextlib
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta

import pytest

from app.sources.connections import Connections
from app.sources.connector import (
    PulledPage,
    ShopFacts,
    StoreWebhook,
    Verdict,
    document_in,
    is_hmac_sha256,
    required_id,
    text_in,
)
from app.sources.connectors import Connectors
from app.sources.pull_orders import RECONCILE_EVERY
from app.sources.shop_events import OrderDeleted, OrderSeen, OrderToRead
from app.sources.store_work import StoreWork
from app.vault import Vault
from app.web.calls import WebCalls
from app.web.guard import Guard

pytestmark = pytest.mark.usefixtures("midday")

PLATFORM = "mailchimp"
"""A platform that has no connector of its own."""


class ThinConnector:
    """The connector; `shop` holds the true orders by their ids."""

    credential_forms = (("store_hash", "token"),)
    hook_topics = ("store/order/updated",)

    def __init__(self) -> None:
        self.shop: dict[str, dict] = {}
        self.subscribed: set[str] = set()

    def verify(self, webhook, secrets):
        given = bytes.fromhex(webhook.header("x-signature") or "00")
        matches = [is_hmac_sha256(secret, webhook.body, given) for secret in secrets]
        return Verdict.SIGNED if any(matches) else Verdict.FORGED

    def topic(self, webhook):
        return text_in(document_in(webhook.body), "scope")

    def delivery_id(self, webhook):
        return text_in(document_in(webhook.body), "hash")

    def parse(self, webhook):
        document = document_in(webhook.body)
        if "scope" in document:
            return (OrderToRead(required_id(document, "data", "id")),)
        if document.get("is_deleted"):
            return (OrderDeleted(required_id(document, "id")),)
        row = {
            "order_id": required_id(document, "id"),
            "customer_id": text_in(document, "customer_id") or None,
            "ordered_at": text_in(document, "date_created"),
            "updated_at": text_in(document, "date_modified"),
            "total": text_in(document, "total_inc_tax"),
            "status": "paid",
        }
        return (OrderSeen(row),)

    def signing_secret(self, credentials, /):
        return credentials["token"]

    async def check(self, _access):
        return ShopFacts("Thin", "EUR", "UTC", None, "v3")

    async def subscribe(self, _access, address, _secret, /):
        self.subscribed.add(address)

    async def unsubscribe(self, _access, address, /):
        self.subscribed.discard(address)

    async def pull(self, _access, wanted):
        chosen = [
            each
            for number, each in self.shop.items()
            if number in wanted.order_ids
            or (not wanted.order_ids and (wanted.since is None or moment(each["date_modified"]) >= wanted.since))
        ]
        gone = [{"id": each, "is_deleted": True} for each in wanted.order_ids if each not in self.shop]
        yield PulledPage([StoreWebhook({}, json.dumps(each).encode()) for each in [*chosen, *gone]])


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def thin_order(number: str, total: str, at: str) -> dict:
    return {"id": number, "customer_id": "7", "date_created": at, "date_modified": at, "total_inc_tax": total}


@pytest.fixture
def thin():
    return ThinConnector()


@pytest.fixture
async def connections(thin):
    web = WebCalls(Guard())
    async with contextlib.aclosing(Connections(Vault.of_this_process(), Connectors({PLATFORM: thin}), web)) as opened:
        yield opened


async def test_a_hook_that_says_only_that_something_has_changed_is_enough(
    open_store, thin, database, connections, clock
):
    thin.shop = {
        "1": thin_order("1", "40.00", "2026-03-01T12:00:00Z"),
        "2": thin_order("2", "9.00", "2026-03-02T12:00:00Z"),
    }
    credentials = {"store_hash": "abc", "token": "the-token"}
    store = await open_store(platform=PLATFORM, credentials=credentials, name=None, currency=None, time_zone=None)
    work = StoreWork.on(database, connections, clock, "https://leaderboard.example")

    async def spend() -> list[tuple[int, str]]:
        rows = (await store.ask(time_frame="all_time"))["items"]
        return [(row["number_of_purchases"], row["total_spend"]) for row in rows]

    async def hook(number: str) -> None:
        body = json.dumps(
            {"scope": "store/order/updated", "hash": f"h{clock.now}{number}", "data": {"id": number}}
        ).encode()
        signed = {"X-Signature": hmac.digest(b"the-token", body, hashlib.sha256).hex()}
        answer = await store.api.post(f"/webhooks/{store.source}/{PLATFORM}", content=body, headers=signed)
        assert answer.status_code == 200
        await work.inbox.settle_all()
        await work.run_once()

    await work.run_once()
    assert thin.subscribed == {f"https://leaderboard.example/webhooks/{store.source}/{PLATFORM}"}
    assert await spend() == [(2, "49.00")]

    clock.now += timedelta(seconds=10)
    thin.shop["1"] |= {"total_inc_tax": "30.00", "date_modified": "2026-03-18T12:00:05Z"}
    await hook("1")
    assert await spend() == [(2, "39.00")]

    del thin.shop["2"]
    clock.now += timedelta(seconds=10)
    await hook("2")
    assert await spend() == [(1, "30.00")]

    clock.now += RECONCILE_EVERY
    thin.shop["3"] = thin_order("3", "1.00", "2026-03-18T12:03:00Z")
    clock.now += RECONCILE_EVERY
    await work.run_once()
    assert await spend() == [(2, "31.00")]
