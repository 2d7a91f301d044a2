"""Whatever the network does to webhooks, one round of reading later the figures are those of the shop, to the cent."""

import contextlib
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from fake_shops import FakeWoo, fake_shopify, fake_woo, pulled_form
from hypothesis import given, settings
from hypothesis import strategies as st
from webhooks_of_stores import sent, shopify_order, shopify_refund, woo_order

from app.boards.source import read_source
from app.boards.verify import verify
from app.sources import shopify_admin
from app.sources.pull_orders import RECONCILE_EVERY
from app.sources.store_work import StoreWork

BEGUN = datetime(2026, 3, 18, 12, tzinfo=UTC)
QUICK, THOROUGH = 8, 250
PEOPLE = 4
WAITS = (0, 1, 30, 100)
STATES = ("subscribed", "unsubscribed", "not_subscribed")
WORDS = {"not_subscribed": "non_subscribed"}

IN_THE_SHOP = ("create", "edit", "touch", "refund", "cancel", "remove", "restore", "consent", "merge", "wait")
ON_THE_WAY = ("deliver", "repeat", "lose", "settle")
STEPS = st.lists(
    st.tuples(
        st.sampled_from(("create", *IN_THE_SHOP, "deliver", *ON_THE_WAY)), st.integers(0, 9), st.integers(0, 9_999)
    ),
    min_size=5,
    max_size=50,
)
"""What happens, to which of all, and with which number: webhooks overtake each other, come twice, late, or never."""


@dataclass(frozen=True)
class OnTheWay:
    """A webhook that has left the shop."""

    topic: str
    body: Any
    headers: dict[str, str]
    must_arrive: bool = False
    """Nothing else tells what it says."""


@dataclass
class Truth:
    """The shop's own orders and people: an order is what the shop says of it now."""

    platform: str
    shop: Any
    now: datetime = BEGUN
    orders: dict[int, dict[str, Any]] = field(default_factory=dict)
    merged: dict[int, int] = field(default_factory=dict)
    consents: dict[int, list[tuple[str, str]]] = field(default_factory=dict)
    """What was delivered of each person: when, and the word."""
    on_the_way: list[OnTheWay] = field(default_factory=list)
    numbers: int = 0

    @property
    def is_woo(self) -> bool:
        return self.platform == "woocommerce"

    def text(self) -> str:
        """The present second, as the platform writes it."""
        return f"{self.now:%Y-%m-%dT%H:%M:%S}{'' if self.is_woo else '+00:00'}"

    def say(self, topic: str, body: Any, *, must_arrive: bool = False, **headers: str) -> None:
        self.on_the_way.append(OnTheWay(topic, body, headers, must_arrive))

    def number(self) -> int:
        self.numbers += 1
        return self.numbers

    def heir(self, person: int) -> int:
        while person in self.merged:
            person = self.merged[person]
        return person

    def show(self, number: int) -> dict[str, Any]:
        order = self.orders[number]
        if self.is_woo:
            refunds = [{"id": each, "total": f"-{amount}"} for each, amount in order["refunds"].items()]
            told = {"customer_id": order["customer"], "status": order["status"], "date_modified_gmt": order["at"]}
            return woo_order(number, order["total"], billing={}, refunds=refunds, **told)
        refunds = [shopify_refund(each, amount, number) for each, amount in order["refunds"].items()]
        told = {"customer": order["customer"], "updated_at": order["at"], "financial_status": order["status"]}
        return shopify_order(number, total=order["total"], refunds=refunds, **told)

    def tell(self, number: int, what: str = "updated") -> None:
        """The order has changed: the shop's API shows it, and a webhook tells it."""
        self.orders[number]["at"] = self.text()
        shown = self.show(number)
        self.shop.orders[number] = shown if self.is_woo else pulled_form(shown)
        self.say(f"order.{what}" if self.is_woo else f"orders/{'create' if what == 'created' else what}", shown)

    # ------------------------------------------------------------ what happens in a shop

    def happen(self, what: str, which: int, value: int) -> None:
        """One thing happens in the shop, where it can."""
        if what == "wait":
            self.now += timedelta(seconds=WAITS[value % len(WAITS)])
        elif what == "create":
            self.create(self.heir(which % PEOPLE + 1), value)
        elif what in {"consent", "merge"}:
            if not self.is_woo:
                getattr(self, what)(which % PEOPLE + 1, value)
        elif self.orders:
            getattr(self, what)([*self.orders][which % len(self.orders)], value)

    def create(self, person: int, cents: int) -> None:
        number, total = self.number(), f"{(cents + 1) / 100:.2f}"
        status = "completed" if self.is_woo else "paid"
        self.orders[number] = {"customer": person, "total": total, "refunds": {}, "status": status}
        self.tell(number, "created")

    def edit(self, number: int, cents: int) -> None:
        self.orders[number]["total"] = f"{(cents + 100) / 100:.2f}"
        if self.is_woo:
            self.orders[number]["refunds"] = {}
        else:
            self.say("orders/edited", {"order_edit": {"order_id": number}})
        self.tell(number)

    def touch(self, number: int, _value: int) -> None:
        """A change that cannot be seen."""
        self.tell(number)

    def refund(self, number: int, cents: int) -> None:
        each, amount = self.number(), f"{(cents % 200 + 1) / 100:.2f}"
        self.orders[number]["refunds"][each] = amount
        if not self.is_woo:
            self.say("refunds/create", shopify_refund(each, amount, number))
        self.tell(number)

    def cancel(self, number: int, _value: int) -> None:
        if self.orders[number]["status"] != "trash":
            self.orders[number]["status"] = "cancelled" if self.is_woo else "voided"
            self.tell(number)

    def remove(self, number: int, _value: int) -> None:
        """Shopify deletes for good; nothing but the webhook tells it."""
        order = self.orders[number]
        if not self.is_woo:
            del self.orders[number], self.shop.orders[number]
            at = f"{self.now:%Y-%m-%dT%H:%M:%S}Z"
            self.say("orders/delete", {"id": number}, must_arrive=True, Triggered_At=at)
        elif order["status"] != "trash":
            order |= {"status": "trash", "before": order["status"]}
            self.tell(number)
            self.say("order.deleted", {"id": number})

    def restore(self, number: int, _value: int) -> None:
        if self.orders[number]["status"] == "trash":
            self.orders[number]["status"] = self.orders[number].pop("before")
            self.tell(number)
            self.say("order.restored", self.show(number))

    def consent(self, person: int, value: int) -> None:
        self.now += timedelta(seconds=1)
        told = {"state": STATES[value % len(STATES)], "consent_updated_at": self.text()}
        body = {"customer_id": person, "email_address": f"{person}@shopper.example", "email_marketing_consent": told}
        self.say("customers_email_marketing_consent/update", body)

    def merge(self, person: int, value: int) -> None:
        """The orders of one become those of the other."""
        kept = self.heir(value % PEOPLE + 1)
        if person in self.merged or kept == person:
            return
        self.merged[person] = kept
        gids = {"kept": kept, "deleted": person}
        body = {f"admin_graphql_api_customer_{each}_id": f"gid://shopify/Customer/{gids[each]}" for each in gids}
        self.say("customers/merge", body | {"status": "completed"})
        for number, order in self.orders.items():
            if order["customer"] == person:
                order["customer"] = kept
                self.tell(number)

    # ------------------------------------------------------------ what must be true

    def board(self) -> dict[str, tuple[int, Decimal]]:
        """What the leaderboard must say."""
        purchases: Counter[str] = Counter()
        spend: dict[str, Decimal] = {}
        for order in self.orders.values():
            total, refunded = Decimal(order["total"]), sum(map(Decimal, order["refunds"].values()), Decimal())
            if order["status"] in {"completed", "paid"} and not (total > 0 and refunded >= total):
                who = str(order["customer"])
                purchases[who] += 1
                spend[who] = spend.get(who, Decimal()) + total - refunded
        return {who: (purchases[who], spend[who]) for who in purchases}

    def chosen(self) -> dict[str, str]:
        """The newest word that was delivered of each person who was not merged."""
        mixed = {*self.merged, *self.merged.values()}
        return {
            str(person): WORDS.get(max(words)[1], max(words)[1])
            for person, words in self.consents.items()
            if person not in mixed
        }


@contextlib.asynccontextmanager
async def opened_shop(platform: str):
    async with fake_woo() if platform == "woocommerce" else fake_shopify() as shop:
        yield shop


@pytest.fixture(params=["woocommerce", "shopify"])
async def truth_of_shop(request, monkeypatch):
    """A new truth for each example; the shop is one server for all."""
    monkeypatch.setattr(shopify_admin, "BULK_POLL_SECONDS", 0.001)
    async with opened_shop(request.param) as shop:

        def new() -> Truth:
            shop.orders.clear()
            shop.hooks.clear()
            return Truth(request.param, shop)

        yield new


@dataclass
class Network:
    """What becomes of the webhooks of a shop."""

    truth: Truth
    store: Any
    secret: str
    work: StoreWork

    async def do(self, what: str, which: int) -> None:
        on_the_way = self.truth.on_the_way
        if what == "settle":
            await self.work.inbox.settle_all()
        elif on_the_way:
            at = which % len(on_the_way)
            if what in {"deliver", "repeat"}:
                await self.deliver(on_the_way[at])
            if what == "deliver" or (what == "lose" and not on_the_way[at].must_arrive):
                del on_the_way[at]

    async def deliver(self, webhook: OnTheWay) -> None:
        answer = await sent(
            self.store, self.truth.platform, webhook.topic, webhook.body, self.secret, **webhook.headers
        )
        assert answer.status_code == 200
        if webhook.topic.startswith("customers_email"):
            told = webhook.body["email_marketing_consent"]
            words = self.truth.consents.setdefault(webhook.body["customer_id"], [])
            words.append((told["consent_updated_at"], told["state"]))


async def play(truth: Truth, steps, open_store, database, connections, clock) -> None:
    clock.now = truth.now
    wanted = {"platform": truth.platform, "credentials": truth.shop.credentials}
    store = await open_store(**wanted, name=None, currency=None, time_zone="UTC")
    work = StoreWork.on(database, connections, clock, "https://leaderboard.example")
    await work.run_once()
    secret = truth.shop.hooks[0]["secret"] if isinstance(truth.shop, FakeWoo) else truth.shop.client_secret
    network = Network(truth, store, secret, work)
    for what, which, value in steps:
        if what in ON_THE_WAY:
            await network.do(what, which)
        else:
            truth.happen(what, which, value)
            clock.now = truth.now
    for webhook in truth.on_the_way:
        if webhook.must_arrive:
            await network.deliver(webhook)
    await work.inbox.settle_all()
    clock.now += RECONCILE_EVERY + timedelta(seconds=1)
    await work.run_once()

    rows = (await store.ask(time_frame="all_time"))["items"]
    found = {row["customer"]["external_id"]: (row["number_of_purchases"], Decimal(row["total_spend"])) for row in rows}
    assert found == truth.board()
    people = (await store.api.get(f"/customers?source={store.source}&limit=100", headers=store.auth)).json()["items"]
    chosen = {each["external_id"]: each["marketing"] for each in people}
    assert {person: chosen.get(person) for person in truth.chosen()} == truth.chosen()
    async with database.read() as conn:
        source = await read_source(conn, int(store.account.removeprefix("acc_")), store.source_id)
    assert await verify(database, source) == []
    assert (await store.api.get(f"/sources/{store.source}", headers=store.auth)).json()["health"]["quarantined"] == 0


@settings(max_examples=QUICK)
@given(steps=STEPS)
async def test_after_one_round_the_figures_are_the_shops(
    truth_of_shop, open_store, database, connections, clock, steps
):
    await play(truth_of_shop(), steps, open_store, database, connections, clock)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@settings(max_examples=THOROUGH)
@given(steps=STEPS)
async def test_after_one_round_the_figures_are_the_shops_whatever_happened(
    truth_of_shop, open_store, database, connections, clock, steps
):
    await play(truth_of_shop(), steps, open_store, database, connections, clock)
