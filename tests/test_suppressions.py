"""Suppressions: an address that has left, complained or died is not written to, whichever customer has it."""

import gzip
import json
from datetime import timedelta

import pytest
from answers import problem
from conftest import NOW
from postal import customer, deliver, known, post, queued, set_sender, unsubscribe_path
from shop import order

pytestmark = pytest.mark.usefixtures("midday")

SCRIPT: dict[str, list[str]] = {}
ONE_CLICK = {"List-Unsubscribe": "One-Click"}
ADDRESS = "m@shopper.example"


async def reason_of(store, who, **message):
    """Why a message is refused; None when it is queued."""
    answer = await post(store, who, **message)
    return None if answer.status_code == 202 else problem(answer, 409, "recipient_not_messageable")["reason"]


async def leave(store, sql, who):
    answer = await store.api.post(await unsubscribe_path(store, sql, who, await queued(store, who)), data=ONE_CLICK)
    assert answer.status_code == 200


def suppression(store, address=ADDRESS):
    return store.api.get(f"/account/suppressions/{address}", headers=store.auth)


async def lift(store, address=ADDRESS, **when):
    return await store.api.delete(f"/account/suppressions/{address}", params=when, headers=store.auth)


async def test_an_address_that_left_gets_no_offers_under_a_customer_who_takes_it_over(store, sql):
    ada = await customer(store, "ada", email=ADDRESS)
    bea = await customer(store, "bea")
    await leave(store, sql, ada)
    await store.send(order("late", "bea", email=ADDRESS.upper(), updated_at="2026-03-18T12:00:00Z"))

    assert await reason_of(store, bea) == "left"
    assert await reason_of(store, bea, kind="transactional") is None
    shown = await store.customer(bea)
    assert (shown["marketing"], shown["suppressed"], shown["messageable"]) == ("unsubscribed", "left", False)
    row = next(each for each in await store.all_rows(time_frame="all_time") if each["customer"]["id"] == bea)
    assert row["customer"]["messageable"] is False


async def test_a_guest_who_left_stays_away_though_they_become_part_of_a_subscriber(store, sql, clock):
    await store.send(order("1", None, email=ADDRESS), order("2", "cyd", email="cyd@shopper.example"))
    found = await store.api.get("/customers", params={"source": store.source}, headers=store.auth)
    ids = {each["email"]: each["id"] for each in found.json()["items"]}
    await store.agree(ids[ADDRESS])
    await leave(store, sql, ids[ADDRESS])
    clock.now = NOW + timedelta(minutes=1)
    await store.agree(ids["cyd@shopper.example"])
    await store.send(order("3", "cyd", email=ADDRESS, updated_at="2026-03-18T12:00:00Z"))

    assert await reason_of(store, ids["cyd@shopper.example"]) == "left"


async def test_a_dead_address_is_dead_in_every_store_and_with_a_new_one_the_customer_is_free(
    store, open_store, api, sql
):
    ada = await customer(store, "ada", email=ADDRESS)
    beside = await open_store(beside=store)
    bea = await customer(beside, "bea", email=ADDRESS, marketing="non_subscribed")
    await store.suppress(ADDRESS)

    for where, who in ((store, ada), (beside, bea)):
        assert (await where.customer(who))["marketing"] == "cleaned"
        assert await reason_of(where, who, kind="transactional") == "cleaned"
    await store.send(order("new", "ada", email="new@shopper.example", updated_at="2026-03-18T12:00:00Z"))
    assert (await store.customer(ada))["marketing"] == "subscribed"
    assert await reason_of(store, ada) is None
    assert await known(store, ada) == ("subscribed", [("subscribed", "key_1")])


async def test_the_address_that_the_mail_went_to_has_left_and_not_the_later_one(store, sql, database, clock, smtp):
    ada = await customer(store, "ada", email=ADDRESS)
    message = await queued(store, ada)
    await deliver(database, clock, smtp.url)
    path = await unsubscribe_path(store, sql, ada, message)
    await store.send(order("new", "ada", email="new@shopper.example", updated_at="2026-03-18T12:00:00Z"))
    bea = await customer(store, "bea", email=ADDRESS)
    assert (await store.api.post(path, data=ONE_CLICK)).status_code == 200

    assert await reason_of(store, bea) == "left"
    assert (await suppression(store, "new@shopper.example")).status_code == 404
    assert await reason_of(store, ada) == "unsubscribed"


async def test_what_was_queued_before_the_address_left_is_cancelled_when_it_is_claimed(store, database, clock, smtp):
    people = [await customer(store, name, email=ADDRESS) for name in ("ada", "bea")]
    messages = [await queued(store, who) for who in people]
    await store.suppress(ADDRESS, "complained")
    await deliver(database, clock, smtp.url)

    for message in messages:
        whole = (await store.api.get(f"/messages/{message}", headers=store.auth)).json()
        assert (whole["status"], whole["reason"]) == ("cancelled", "consent_withdrawn")
    assert smtp.taken == []


@pytest.mark.parametrize("reason", ["left", "complained"])
async def test_only_a_newer_agreement_of_its_owner_ends_that_an_address_has_left(store, reason):
    ada = await customer(store, "ada", email=ADDRESS)
    at = {"before": NOW - timedelta(hours=2), "since": NOW - timedelta(hours=1), "after": NOW - timedelta(minutes=1)}
    said = {name: moment.isoformat() for name, moment in at.items()}
    await store.suppress(ADDRESS, reason, since=said["since"])

    assert (await store.agree(ada))["marketing"] == "unsubscribed"
    problem(await lift(store), 409, "opt_in_required")
    problem(await lift(store, opted_in_at=said["before"]), 409, "opt_in_too_old")
    assert await reason_of(store, ada) == reason
    body = {"marketing": "subscribed", "opted_in_at": said["after"]}
    answer = await store.api.patch(f"/customers/{ada}", json=body, headers=store.auth)
    assert (answer.status_code, answer.json()["marketing"]) == (200, "subscribed")
    assert await reason_of(store, ada) is None
    problem(await suppression(store), 404, "unknown_suppression")
    old = {"reason": reason, "since": said["since"]}
    again = await store.api.put(f"/account/suppressions/{ADDRESS.upper()}", json=old, headers=store.auth)
    problem(again, 409, "opted_in_since")
    assert await reason_of(store, ada) is None  # an old list comes in again
    await store.suppress(ADDRESS, reason)
    assert await reason_of(store, ada) == reason


async def test_an_opt_in_ends_with_the_address_and_needs_no_customer(store):
    await store.suppress(ADDRESS, "left", since=(NOW - timedelta(hours=1)).isoformat())
    assert (await lift(store, opted_in_at=NOW.isoformat())).status_code == 204
    ada = await customer(store, "ada", email=ADDRESS)
    assert await reason_of(store, ada) is None
    problem(await lift(store, opted_in_at=(NOW + timedelta(hours=1)).isoformat()), 404, "unknown_suppression")


async def test_a_dead_address_is_revived_by_an_admin_key_and_what_its_owner_said_still_holds(store, api):
    await store.suppress(ADDRESS, "left")
    await store.suppress(ADDRESS, "dead")
    made = await api.post("/account/keys", json={"name": "w", "scopes": ["write"]}, headers=store.auth)
    writer = {"Authorization": f"Bearer {made.json()['key']}"}
    problem(await api.delete(f"/account/suppressions/{ADDRESS}", headers=writer), 403, "scope_required")

    assert (await suppression(store)).json()["reason"] == "dead"
    assert (await lift(store)).status_code == 204
    shown = (await suppression(store)).json()
    assert (shown["reason"], shown["by"], shown["dead_at"]) == ("left", "key_1", None)
    problem(await lift(store), 409, "opt_in_required")


async def test_of_an_erased_person_the_hash_of_the_address_is_left_and_it_still_counts(store, sql):
    ada = await customer(store, "ada", email=ADDRESS)
    await leave(store, sql, ada)
    await store.erase(ada)

    (row,) = await sql.fetch("SELECT email, reason, octet_length(address_hash) AS bytes FROM suppressions")
    assert dict(row) == {"email": None, "reason": "left", "bytes": 32}
    listed = await store.api.get("/account/suppressions", headers=store.auth)
    assert [each["address"] for each in listed.json()["items"]] == [None]
    again = await customer(store, "ada-again", email=ADDRESS)
    assert await reason_of(store, again) == "left"


async def test_other_accounts_know_nothing_of_it(store, open_store):
    foreign = await open_store()
    await set_sender(foreign)
    await store.suppress(ADDRESS)
    problem(await suppression(foreign), 404, "unknown_suppression")
    assert await reason_of(foreign, await customer(foreign, "ada", email=ADDRESS)) is None


async def test_suppressed_addresses_are_listed_in_pages_and_as_a_file(store):
    for number in range(5):
        await store.suppress(f"={number}@shopper.example", ("left", "dead")[number % 2])
    found, cursor = [], {}
    while True:
        page = await store.api.get("/account/suppressions", params={"limit": 2, **cursor}, headers=store.auth)
        found += page.json()["items"]
        if page.json()["next_cursor"] is None:
            break
        cursor = {"cursor": page.json()["next_cursor"]}
    assert sorted(each["address"] for each in found) == [f"={number}@shopper.example" for number in range(5)]
    dead = await store.api.get("/account/suppressions", params={"reason": "dead"}, headers=store.auth)
    assert [each["reason"] for each in dead.json()["items"]] == ["dead", "dead"]
    file = await store.api.get("/account/suppressions", headers=store.auth | {"Accept": "text/csv"})
    header, *lines = file.text.splitlines()
    lines.sort()
    assert lines[:2] == [
        "'=0@shopper.example,left,2026-03-18T12:00:00Z,key_1",
        "'=1@shopper.example,dead,2026-03-18T12:00:00Z,key_1",
    ]
    assert header == "address,reason,since,by"


def take(store, content, media_type="text/csv", **options):
    headers = store.auth | {"Content-Type": media_type}
    return store.api.post("/account/suppressions", content=content, params=options, headers=headers)


async def test_the_list_of_another_tool_is_taken_in_and_every_row_is_accounted_for(store):
    await store.suppress(ADDRESS, "left", since=(NOW - timedelta(hours=1)).isoformat())
    assert (await lift(store, opted_in_at=NOW.isoformat())).status_code == 204
    file = "Email Address;Name;Cleaned\nA@shopper.example;Ada;31/12/2025 10:00\na@shopper.example;;\nnobody;;\n"
    file += f"{ADDRESS};;02/01/2026 09:00\nb@shopper.example;;31/12/2031\n"
    columns = '{"Email Address": "address", "Cleaned": "since"}'
    answer = await take(store, file, columns=columns, reason="dead", delimiter=";")
    assert answer.status_code == 200, answer.text
    taken = answer.json()
    assert (taken["received"], taken["suppressed"], taken["opted_in_since"], taken["rejected_count"]) == (5, 2, 1, 2)
    assert [(each["line"], each["code"]) for each in taken["rejected"]] == [(4, "invalid_address"), (6, "future_since")]
    assert (taken["read_as"]["delimiter"], taken["read_as"]["dates"]) == (";", "dmy")
    shown = (await suppression(store, "a@shopper.example")).json()
    assert (shown["reason"], shown["dead_at"], shown["by"]) == ("dead", "2026-03-18T12:00:00Z", "key_1")


async def test_an_agreement_that_is_newer_than_the_row_of_a_file_stays(store):
    await store.suppress(ADDRESS, "left", since=(NOW - timedelta(hours=2)).isoformat())
    assert (await lift(store, opted_in_at=(NOW - timedelta(hours=1)).isoformat())).status_code == 204
    rows = [{"address": ADDRESS, "since": "2026-03-01T00:00:00Z"}, {"address": "c@shopper.example", "reason": "bored"}]
    answer = await take(store, "\n".join(map(json.dumps, [*rows, 7])), "application/x-ndjson")
    taken = answer.json()
    assert (taken["received"], taken["suppressed"], taken["opted_in_since"], taken["rejected_count"]) == (3, 0, 1, 2)
    problem(await suppression(store), 404, "unknown_suppression")


async def test_a_file_of_one_account_is_taken_in_by_another_as_it_is(store, open_store):
    people = ["=1@shopper.example", "-2@shopper.example", "b|=c@shopper.example"]
    for address, reason in zip(people, ("left", "dead", "complained"), strict=True):
        await store.suppress(address, reason)
    file = await store.api.get("/account/suppressions", headers=store.auth | {"Accept": "text/csv"})
    other = await open_store()
    ada = await customer(other, "ada", email=people[0])
    await set_sender(other)
    board = await other.api.get("/leaderboard", params=other.board(time_frame="all_time"), headers=other.auth)

    assert (await take(other, gzip.compress(file.content))).json()["suppressed"] == 3

    listed = await other.api.get("/account/suppressions", headers=other.auth)
    assert {(each["address"], each["reason"]) for each in listed.json()["items"]} == {
        (people[0], "left"),
        (people[1], "dead"),
        (people[2], "complained"),
    }
    assert await reason_of(other, ada) == "left"
    unchanged = other.auth | {"If-None-Match": board.headers["ETag"]}
    after = await other.api.get("/leaderboard", params=other.board(time_frame="all_time"), headers=unchanged)
    assert after.status_code == 200


async def test_a_file_of_suppressions_without_their_column_is_refused_with_what_to_do(store):
    answer = await take(store, "email\na@shopper.example\n")
    errors = problem(answer, 422, "unknown_columns")["errors"]
    assert {each["code"] for each in errors} == {"unknown_column", "missing_column"}


async def test_a_board_says_something_else_once_an_address_has_left(store):
    await customer(store, "ada", email=ADDRESS)
    first = await store.api.get("/leaderboard", params=store.board(time_frame="all_time"), headers=store.auth)
    assert first.json()["items"][0]["customer"]["messageable"] is True
    await store.suppress(ADDRESS, "left")
    unchanged = store.auth | {"If-None-Match": first.headers["ETag"]}
    second = await store.api.get("/leaderboard", params=store.board(time_frame="all_time"), headers=unchanged)
    assert second.status_code == 200
    assert second.json()["items"][0]["customer"]["messageable"] is False


@pytest.mark.parametrize("body", [{"reason": "bored"}, {}, {"reason": "left", "since": "2026-03-18"}])
async def test_a_wrong_suppression_is_refused(store, body):
    answer = await store.api.put(f"/account/suppressions/{ADDRESS}", json=body, headers=store.auth)
    problem(answer, 422, "invalid_request")
