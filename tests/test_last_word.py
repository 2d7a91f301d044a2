"""The last word: no offer is claimed for an address or a person whose last word is against it."""

import itertools
from datetime import timedelta

import pytest
from conftest import NOW
from hypothesis import given, settings
from hypothesis import strategies as st
from postal import deliver, key, set_sender, unsubscribe_path
from shop import order

SCRIPT: dict[str, list[str]] = {}
QUICK = 12
ADDRESSES = [f"{name}@shopper.example" for name in "xyz"]
PEOPLE = ["ada", "bea", "cyd"]
CHOICES = ["subscribed", "unsubscribed", "non_subscribed"]

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("order"), st.sampled_from(PEOPLE), st.sampled_from(ADDRESSES)),
        st.tuples(st.just("guest order"), st.just(""), st.sampled_from(ADDRESSES)),
        st.tuples(st.just("list"), st.sampled_from(PEOPLE), st.sampled_from(CHOICES)),
        st.tuples(st.just("patch"), st.sampled_from(PEOPLE), st.sampled_from(CHOICES)),
        st.tuples(st.just("opt in"), st.sampled_from(PEOPLE), st.just("subscribed")),
        st.tuples(st.just("suppress"), st.sampled_from(ADDRESSES), st.sampled_from(["left", "complained", "dead"])),
        st.tuples(st.just("link"), st.sampled_from(PEOPLE), st.just("")),
        st.tuples(st.just("merge"), st.sampled_from(PEOPLE), st.sampled_from(PEOPLE)),
        st.tuples(st.just("erase"), st.sampled_from(PEOPLE), st.just("")),
    ),
    min_size=2,
    max_size=8,
)


class Shop:
    """A store, and what each address and each person has said last."""

    def __init__(self, store, sql, clock):
        self.store, self.sql, self.clock = store, sql, clock
        self.against = {}
        self.numbers = itertools.count()

    async def ids(self):
        params = {"source": self.store.source, "limit": 1000}
        found = (await self.store.api.get("/customers", params=params, headers=self.store.auth)).json()["items"]
        return {each["external_id"]: each for each in found if each["external_id"]}

    async def step(self, name, first, second):
        self.clock.now += timedelta(minutes=1)
        store, at = self.store, self.clock.now.isoformat()
        person = (await self.ids()).get(first)
        if name in {"order", "guest order"}:
            who = first or None
            await store.send(order(f"o{next(self.numbers)}", who, email=second, updated_at=at, ordered_at=at))
        elif name == "list":
            row = {"customer_id": first, "marketing": second, "marketing_at": at}
            url = f"/sources/{store.source}/customers"
            assert (await store.api.post(url, json={"customers": [row]}, headers=store.auth)).status_code == 200
        elif name == "suppress":
            await store.suppress(first, second)
            self.against[first] = True
        elif person is not None:
            await self.step_of(name, person, second)

    async def step_of(self, name, person, second):
        store, auth = self.store, self.store.auth
        if name == "patch":
            await store.agree(person["id"], second)
        elif name == "opt in":
            body = {"marketing": "subscribed", "opted_in_at": self.clock.now.isoformat()}
            answer = await store.api.patch(f"/customers/{person['id']}", json=body, headers=auth)
            if answer.status_code == 200:
                self.against[person["email"]] = False
        elif name == "erase":
            await store.erase(person["id"])
        elif name == "merge":
            into = (await self.ids()).get(second)
            if into is not None and into["id"] != person["id"]:
                url = f"/customers/{person['id']}/merge"
                assert (await store.api.post(url, json={"into": into["id"]}, headers=auth)).status_code == 200
        elif name == "link":
            answer = await self.write_to(person["id"])
            if answer.status_code == 202:
                path = await unsubscribe_path(store, self.sql, person["id"], answer.json()["id"])
                assert (await store.api.post(path)).status_code == 200
                self.against[person["email"]] = True

    async def write_to(self, customer):
        """An offer, queued where it may be."""
        body = {"customer": customer, "subject": "Hello", "text": "An offer."}
        return await self.store.api.post("/messages", json=body, headers=self.store.auth | key())

    async def write_to_everybody(self):
        for each in (await self.ids()).values():
            assert (await self.write_to(each["id"])).status_code in {202, 409}


@pytest.mark.timeout(600)
@settings(max_examples=QUICK)
@given(steps=STEPS)
async def test_no_offer_goes_against_the_last_word_of_address_or_person(open_store, database, clock, smtp, sql, steps):
    clock.now = NOW
    store = await open_store()
    await set_sender(store)
    shop = Shop(store, sql, clock)
    for person, address in zip(PEOPLE, ADDRESSES, strict=True):
        await shop.step("order", person, address)
        await shop.step("patch", person, "subscribed")
    for step in steps:
        await shop.write_to_everybody()  # what was queued before is claimed after
        await shop.step(*step)
        await shop.write_to_everybody()
        allowed = {each["email"] for each in (await shop.ids()).values() if each["marketing"] == "subscribed"}
        before = len(smtp.taken)
        clock.now += timedelta(seconds=1)
        await deliver(database, clock, smtp.url)
        for mail in smtp.taken[before:]:
            assert not shop.against.get(mail.recipient), (step, mail.recipient)
            assert mail.recipient in allowed, (step, mail.recipient)
