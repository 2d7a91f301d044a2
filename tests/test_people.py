"""People: names, languages and consent by every way in, and which statement counts."""

import itertools
import json
from datetime import timedelta

import pytest
from answers import problem
from conftest import NOW
from postal import customer, known, post, queued
from shop import order

pytestmark = pytest.mark.usefixtures("among_others", "midday")


def at(**before):
    return (NOW - timedelta(**before)).isoformat()


async def tell(store, *rows):
    answer = await store.api.post(f"/sources/{store.source}/customers", json={"customers": rows}, headers=store.auth)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def found(store, **by):
    answer = await store.api.get("/customers", params={"source": store.source, **by}, headers=store.auth)
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


@pytest.mark.alone
async def test_people_without_orders_are_customers_and_can_be_written_to_but_are_on_no_board(store):
    told = await tell(
        store,
        {"customer_id": "42", "email": "Ada@Shopper.example", "first_name": "Ada", "last_name": "Lovelace",
         "language": "it-IT", "marketing": "subscribed", "marketing_at": at(days=1)},
        {"email": "guest@shopper.example", "name": "Guest", "marketing": "non_subscribed"},
        {"customer_id": "43"},
    )  # fmt: skip
    assert (told["received"], told["created"], told["rejected"], told["warnings"]) == (3, 3, [], [])
    ada, guest, plain = [await store.customer(each["customer"]) for each in told["customers"]]
    assert len(await found(store)) == 3
    assert {name: ada[name] for name in ("external_id", "name", "first_name", "last_name", "language")} == {
        "external_id": "42",
        "name": "Ada Lovelace",
        "first_name": "Ada",
        "last_name": "Lovelace",
        "language": "it",
    }
    assert [each["marketing"] for each in (ada, guest, plain)] == ["subscribed", "non_subscribed", "non_subscribed"]
    assert (await store.ask(time_frame="all_time"))["items"] == []
    await queued(store, ada["id"])
    assert await known(store, ada["id"]) == ("subscribed", [("subscribed", "key_1")])
    again = await tell(store, {"customer_id": "42", "marketing": "subscribed", "marketing_at": at(days=1)})
    assert (again["created"], again["updated"], again["unchanged"]) == (0, 0, 1)


async def test_a_row_that_names_nobody_is_refused_and_an_unusable_field_is_left_out(store):
    told = await tell(
        store,
        {"name": "Nobody"},
        {"email": "n/a"},
        {"customer_id": "1", "email": "n/a", "language": "tlh", "marketing": "yes", "marketing_at": "soon"},
        {"customer_id": "2", "shoe_size": 38},
        "Ada",
    )
    assert [(each["index"], each["code"]) for each in told["rejected"]] == [
        (0, "missing_customer_id"),
        (1, "invalid_email"),
        (3, "unknown_field"),
        (4, "invalid_row"),
    ]
    assert sorted((each["index"], each["code"]) for each in told["warnings"]) == [
        (2, "invalid_email"),
        (2, "invalid_marketing"),
        (2, "unknown_language"),
    ]
    (one,) = await found(store)
    assert (one["email"], one["language"], one["marketing"]) == (None, None, "non_subscribed")


@pytest.mark.parametrize("address", ["n/a", "none@", "x" * 400, "a b"])
async def test_an_order_counts_though_its_address_is_none(store, address):
    answer = await store.post(order("1", "77", email=address), order("2", None, email=address))
    body = answer.json()
    assert (body["created"], body["rejected"]) == (2, [])
    assert [(each["index"], each["order_id"], each["code"]) for each in body["warnings"]] == [
        (0, "1", "invalid_email"),
        (1, "2", "invalid_email"),
    ]
    (row,) = (await store.ask(time_frame="all_time"))["items"]
    assert (row["customer"]["external_id"], row["customer"]["email"], row["total_spend"]) == ("77", None, "10.00")
    health = (await store.api.get(f"/sources/{store.source}", headers=store.auth)).json()["health"]
    assert health["unattributed"] == 1


async def test_warnings_of_a_file_are_told_with_their_lines(store):
    lines = ["order_id,customer_id,email,ordered_at,total,status,marketing,marketing_at"]
    lines += ["1,77,n/a,2026-03-01T12:00:00Z,5.00,paid,subscribed,2026-03-01T12:00:00Z"]
    lines += ["2,78,bea@shopper.example,2026-03-01T12:00:00Z,5.00,paid,maybe,"]
    body = (await store.load("\n".join(lines).encode())).json()
    assert (body["created"], body["rejected_count"], body["warnings_count"]) == (2, 0, 2)
    assert [(each["line"], each["code"]) for each in body["warnings"]] == [
        (2, "invalid_email"),
        (3, "invalid_marketing"),
    ]
    ada = (await found(store, external_id="77"))[0]
    assert await known(store, ada["id"]) == ("subscribed", [("subscribed", body["id"])])


# ---------------------------------------------------------------- which statement counts

STATEMENTS = {
    "hint": {"order": True, "marketing": "unsubscribed", "updated_at": at(minutes=1)},
    "old_hint": {"order": True, "marketing": "subscribed", "updated_at": at(minutes=9)},
    "dated": {"marketing": "subscribed", "marketing_at": at(hours=2)},
    "old_dated": {"marketing": "unsubscribed", "marketing_at": at(hours=9)},
    "explicit": {"patch": True, "marketing": "unsubscribed", "marketing_at": at(days=2)},
    "old_explicit": {"patch": True, "marketing": "subscribed", "marketing_at": at(days=9)},
}
STRENGTH = ["old_hint", "hint", "old_dated", "dated", "old_explicit", "explicit"]


async def state(store, name, number):
    """Make a statement about Ada."""
    fields = dict(STATEMENTS[name])
    if fields.pop("order", False):
        await store.send(order(f"o{number}", "ada", email="ada@shopper.example", **fields))
    elif fields.pop("patch", False):
        (ada,) = await found(store, external_id="ada")
        assert (await store.api.patch(f"/customers/{ada['id']}", json=fields, headers=store.auth)).status_code == 200
    else:
        await tell(store, {"customer_id": "ada", **fields})


@pytest.mark.parametrize("names", [*itertools.permutations(STATEMENTS, 2)], ids="-".join)
async def test_the_weightier_statement_counts_and_of_equal_ones_the_later_in_any_order(store, names):
    await tell(store, {"customer_id": "ada", "email": "ada@shopper.example"})
    for number, name in enumerate(names):
        await state(store, name, number)
    (ada,) = await found(store, external_id="ada")
    assert ada["marketing"] == STATEMENTS[max(names, key=STRENGTH.index)]["marketing"]


async def test_a_list_of_addresses_reaches_the_customers_who_have_them(store):
    ada = await customer(store, "ada", marketing=None)
    await tell(store, {"email": "ada@example.test", "marketing": "subscribed", "name": "Somebody"})
    shown = await store.customer(ada)
    assert (shown["marketing"], shown["name"]) == ("subscribed", "Ada")
    assert (await post(store, ada)).status_code == 202


@pytest.mark.alone
async def test_a_guest_s_consent_and_language_go_to_the_customer_they_become(store):
    await tell(
        store, {"email": "g@shopper.example", "marketing": "subscribed", "marketing_at": at(days=1), "language": "de"}
    )
    (guest,) = await found(store)
    await store.send(order("1", "cyd", email="cyd@shopper.example"))
    await store.send(order("2", "cyd", email="g@shopper.example", updated_at=at(hours=1)))
    (cyd,) = await found(store, external_id="cyd")
    assert (cyd["marketing"], cyd["language"]) == ("subscribed", "de")
    assert await known(store, cyd["id"]) == ("subscribed", [("subscribed", "key_1")])
    assert guest["id"] != cyd["id"]


async def test_an_address_is_found_as_it_is_written(store):
    await store.send(order("1", None, email="ann+shop@shopper.example"))
    for written in ("ann%2Bshop@shopper.example", "ann+shop@shopper.example"):
        url = f"/customers?source={store.source}&email={written}"
        items = (await store.api.get(url, headers=store.auth)).json()["items"]
        assert [each["email"] for each in items] == ["ann+shop@shopper.example"]


# ---------------------------------------------------------------- versions


async def total_of(store):
    (row,) = (await store.ask(time_frame="all_time"))["items"] or [{"total_spend": None}]
    return row["total_spend"]


async def test_of_equal_versions_the_later_arrival_counts(store):
    for total in ("10.00", "30.00", "20.00"):
        await store.send(order("1", "ada", total, updated_at=at(hours=1)))
        assert await total_of(store) == total
    await store.send(order("1", "ada", "5.00", updated_at=at(hours=1), status="pending"))
    assert await total_of(store) == "20.00"


async def test_a_deleted_order_comes_back_with_a_later_version_only(store, clock):
    await store.send(order("1", "ada", updated_at=at(hours=1)))
    gone = f"/sources/{store.source}/orders/1"
    assert (await store.api.delete(gone, headers=store.auth)).status_code == 204
    clock.now = NOW + timedelta(hours=1)
    for late in ({}, {"updated_at": at(minutes=1)}):
        await store.send(order("1", "ada", "7.00", **late))
        assert await total_of(store) is None
    await store.send(order("1", "ada", "8.00", updated_at=(NOW + timedelta(minutes=1)).isoformat()))
    assert await total_of(store) == "8.00"
    health = (await store.api.get(f"/sources/{store.source}", headers=store.auth)).json()["health"]
    assert health["orders"] == 1


async def test_an_order_deleted_before_it_was_seen_comes_back_too(store, clock):
    assert (await store.api.delete(f"/sources/{store.source}/orders/1", headers=store.auth)).status_code == 204
    clock.now = NOW + timedelta(hours=1)
    await store.send(order("1", "ada", "8.00", updated_at=(NOW + timedelta(minutes=1)).isoformat()))
    assert await total_of(store) == "8.00"


@pytest.mark.parametrize(
    "change", [{"marketing": "cleaned"}, {"marketing_at": at(days=1)}, {"opted_in_at": at(days=1)}]
)
async def test_a_change_that_says_nothing_is_refused(store, change):
    ada = await customer(store, "ada")
    problem(await store.api.patch(f"/customers/{ada}", json=change, headers=store.auth), 422, "invalid_request")


# ---------------------------------------------------------------- merging


async def guest_and_known(store):
    """The ids of a guest and of a known customer, who have bought once each."""
    await store.send(order("1", "cyd", "10.00", email="cyd@shopper.example"))
    await store.send(order("2", None, "20.00", email="g@shopper.example"))
    ids = {each["email"]: each["id"] for each in await found(store)}
    return ids["g@shopper.example"], ids["cyd@shopper.example"]


async def test_the_id_of_a_guest_leads_to_who_they_have_become(store):
    guest, cyd = await guest_and_known(store)
    await store.send(order("3", "cyd", email="g@shopper.example", updated_at=at(hours=1)))
    for method, path, body in (
        ("GET", "", None),
        ("GET", "/export", None),
        ("PATCH", "", {"marketing": "subscribed"}),
        ("POST", "/merge", {"into": cyd}),
        ("DELETE", "", None),
    ):
        answer = await store.api.request(method, f"/customers/{guest}{path}", json=body, headers=store.auth)
        problem(answer, 308, "customer_merged")
        assert answer.headers["Location"] == f"/customers/{cyd}{path}"
    followed = await store.api.get(f"/customers/{guest}", headers=store.auth, follow_redirects=True)
    assert followed.json()["id"] == cyd
    await store.agree(cyd)
    assert (await queued(store, guest)).startswith("msg_")
    listed = await store.api.get("/messages", params={"customer": guest}, headers=store.auth)
    assert [each["customer"] for each in listed.json()["items"]] == [cyd]
    await store.erase(cyd)
    problem(await store.api.get(f"/customers/{guest}", headers=store.auth), 404, "unknown_customer")


async def test_customers_are_merged_by_request_and_later_orders_with_the_old_id_are_the_heir_s(store):
    await tell(
        store,
        {"customer_id": "a", "email": "a@shopper.example", "marketing": "subscribed", "marketing_at": at(days=1)},
        {"customer_id": "b", "name": "Bea", "language": "it"},
    )
    await store.send(order("1", "a", "10.00"), order("2", "b", "20.00"), order("3", "c", "25.00"))
    ids = {each["external_id"]: each["id"] for each in await found(store)}
    merged = await store.api.post(f"/customers/{ids['a']}/merge", json={"into": ids["b"]}, headers=store.auth)
    assert merged.status_code == 200, merged.text
    shown = merged.json()
    assert [shown[name] for name in ("id", "external_id", "name", "email", "marketing", "language")] == [
        *(ids["b"], "b", "Bea", "a@shopper.example", "subscribed", "it")
    ]
    await store.send(order("4", "a", "5.00"), order("5", None, "1.00", email="a@shopper.example"))
    rows = [
        (each["customer"]["external_id"], each["total_spend"]) for each in await store.all_rows(time_frame="all_time")
    ]
    assert rows == [("b", "36.00"), ("c", "25.00")]
    again = await store.api.post(f"/customers/{ids['b']}/merge", json={"into": ids["c"]}, headers=store.auth)
    assert again.status_code == 200
    answer = await store.api.get(f"/customers/{ids['a']}", headers=store.auth)
    assert answer.headers["Location"] == f"/customers/{ids['c']}"
    await store.send(order("6", "a", "1.00"))
    assert [each["total_spend"] for each in await store.all_rows(time_frame="all_time")] == ["62.00"]
    assert await verified(store)


async def verified(store):
    """Whether the boards say what the orders say: both ways to count give the same."""
    live = await store.all_rows(time_frame="all_time")
    async with store.with_an_import_running():
        return live == await store.all_rows(time_frame="all_time")


async def test_only_customers_of_one_store_can_be_merged(store, open_store):
    ada = await customer(store, "ada")
    beside = await customer(await open_store(beside=store), "bea")
    for other, status, code in (
        (beside, 409, "other_store"),
        (ada, 409, "other_store"),
        ("cus_999", 404, "unknown_customer"),
        ("x", 404, "unknown_customer"),
    ):
        problem(await store.api.post(f"/customers/{ada}/merge", json={"into": other}, headers=store.auth), status, code)


async def test_one_mailbox_gets_one_mail_of_a_batch(store):
    for name, total in (("c5", "10.00"), ("c6", "20.00"), ("c7", "5.00")):
        email = "own@shopper.example" if name == "c7" else f"{'HOME' if name == 'c6' else 'home'}@shopper.example"
        await store.send(order(name, name, total, email=email))
        await store.agree((await found(store, external_id=name))[0]["id"])
    to = {"top": {"audience": store.audience, "source": store.source, "time_frame": "all_time", "limit": 10}}
    body = {"to": to, "subject": "Hello", "text": "Hello."}
    answer = await store.api.post("/messages/batch", json=body, headers=store.auth | {"Idempotency-Key": "b"})
    batch = answer.json()
    assert (answer.status_code, batch["queued"], batch["refused"]) == (202, 2, 1), answer.text
    first, second, third = batch["results"]
    assert (second["code"], second["message"], second["same_as"]) == ("same_address", None, first["message"])
    assert first["message"] != third["message"] is not None


@pytest.mark.parametrize("field", ["subject", "text", "html"])
async def test_a_placeholder_is_not_sent_as_it_stands(store, field):
    ada = await customer(store, "ada")
    problem(await post(store, ada, **{field: "Dear {{ customer.name }}"}), 422, "invalid_request")
    assert (await post(store, ada, **{field: "Dear {{ customer.name }}"}, personalise=True)).status_code == 202


# ---------------------------------------------------------------- people as a file

PEOPLE = """customer_id,email,first_name,last_name,language,marketing,marketing_at
1,ada@shopper.example,Ada,Lovelace,it,subscribed,2026-03-01T12:00:00Z
,guest@shopper.example,,,de,unsubscribed,2026-03-01T12:00:00Z
,n/a,No,Body,,,
"""


async def load_people(store, content, media_type="text/csv"):
    return await store.api.post(
        f"/sources/{store.source}/imports?of=customers",
        content=content,
        headers=store.auth | {"Content-Type": media_type},
    )


@pytest.mark.parametrize("media_type", ["text/csv", "application/x-ndjson"])
async def test_people_come_in_as_a_file_and_can_be_written_to_at_once(store, media_type):
    content = PEOPLE
    if media_type != "text/csv":
        columns, *rows = [line.split(",") for line in PEOPLE.splitlines()]
        content = "".join(json.dumps(dict(zip(columns, row, strict=True))) + "\n" for row in rows)
    answer = await load_people(store, content.encode(), media_type)
    body = answer.json()
    assert (answer.status_code, body["received"], body["created"], body["rejected_count"]) == (201, 3, 2, 1), (
        answer.text
    )
    assert body["rejected"][0]["code"] == "invalid_email"
    ada, guest = await found(store)
    assert (ada["name"], ada["language"], guest["marketing"]) == ("Ada Lovelace", "it", "unsubscribed")
    assert await known(store, ada["id"]) == ("subscribed", [("subscribed", body["id"])])
    await queued(store, ada["id"])
    again = (await load_people(store, PEOPLE.encode())).json()
    assert (again["created"], again["updated"], again["unchanged"]) == (0, 0, 2)


async def test_a_long_list_of_people_is_stored_whole(store):
    lines = ["customer_id,email,marketing", *(f"{n},p{n}@shopper.example,subscribed" for n in range(6_001))]
    body = (await load_people(store, "\n".join(lines).encode())).json()
    assert (body["received"], body["created"], body["rejected_count"]) == (6_001, 6_001, 0)
    health = (await store.api.get(f"/sources/{store.source}", headers=store.auth)).json()["health"]
    assert health["customers"] == 6_001


async def test_columns_of_orders_are_none_of_people(store):
    answer = await load_people(store, b"customer_id,total\n1,5.00\n")
    problem(answer, 422, "unknown_columns")


async def test_a_mail_greets_by_first_name(store):
    await tell(store, {"customer_id": "1", "email": "a@shopper.example", "first_name": "Ada", "last_name": "Lovelace"})
    (ada,) = await found(store)
    body = {"customer": ada["id"], "subject": "Hi", "text": "Dear {{ customer.greeting_name }}", "personalise": True}
    answer = await store.api.post("/messages/preview", json=body, headers=store.auth)
    assert answer.status_code == 200, answer.text
    assert answer.json()["text"].startswith("Dear Ada\n")
