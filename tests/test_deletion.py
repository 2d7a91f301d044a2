"""Deletion: a store or an account is unknown at once, and goes from every table; neighbours notice nothing."""

import asyncio
import json
from typing import Any

import pytest
from answers import problem
from postal import deliver, queued, set_sender, sink, until
from shop import OPERATOR, order

from app.boards.source import read_source
from app.boards.verify import verify
from app.deletion import remove_rows
from app.deletion.belonging import CHILDREN_FIRST, OUTLIVES_ITS_ACCOUNT, OWNERS
from app.deletion.remove_rows import DELETION_GRACE, Removal
from app.tables import metadata
from app.worker import work_once

pytestmark = pytest.mark.usefixtures("midday")

OPERATOR_AUTH = {"Authorization": f"Bearer {OPERATOR}"}
NAME, ADDRESS = "Zerlina Quastenberg", "zerlina@quastenberg.test"

OF_THE_ACCOUNT_ALONE = {
    "api_keys": "open the account",
    "audiences": "hold sources of any number",
    "sender_domains": "are for all stores",
    "suppressions": "hold for the address in all stores",
    "daily_mails": "count the mails of all stores",
    "audit_entries": "say what keys have done, with ids only",
    "idempotency_keys": "go with the source where they show it, see `remove_source`",
    "rate_windows": "count the requests of keys",
    "token_windows": "count the requests of browser tokens",
    "senders": "are the fallback of all stores",
}
"""Tables without rows of a source, and why."""


REST = (
    (
        "INSERT INTO merged_customers (account_id, id, source_id, external_id, heir_id, merged_at)"
        " SELECT account_id, id + 1000000, source_id, 'Quastenberg', id, created_at FROM customers"
        " WHERE source_id = $1 LIMIT 1"
    ),
    "INSERT INTO outdated_standings SELECT account_id, source_id, id FROM customers WHERE source_id = $1 LIMIT 1",
    (
        "INSERT INTO message_attempts (account_id, message_id, started_at, ended_at, outcome, code, detail)"
        " SELECT account_id, id, created_at, created_at, 'deferred', '', 'Quastenberg?' FROM messages"
        " WHERE customer_id IN (SELECT id FROM customers WHERE source_id = $1)"
    ),
    (
        "INSERT INTO rate_windows (account_id, key_id, limit_name, began_at, taken, leased)"
        " SELECT account_id, id, 'default', created_at, 1, 1 FROM api_keys"
        " WHERE account_id = (SELECT account_id FROM sources WHERE id = $1) ON CONFLICT DO NOTHING"
    ),
    (
        "INSERT INTO token_windows (account_id, key_id, token_id, limit_name, began_at, taken, leased)"
        " SELECT account_id, id, 7, 'default', created_at, 1, 1 FROM api_keys"
        " WHERE account_id = (SELECT account_id FROM sources WHERE id = $1) ON CONFLICT DO NOTHING"
    ),
    (
        "INSERT INTO sender_domains (account_id, domain, token, created_at)"
        " SELECT account_id, 'quastenberg.test', 'token', created_at FROM sources WHERE id = $1 ON CONFLICT DO NOTHING"
    ),
    (
        "INSERT INTO daily_mails (account_id, kind, day, queued)"
        " SELECT account_id, 'marketing', '2026-03-18', 2 FROM sources WHERE id = $1 ON CONFLICT DO NOTHING"
    ),
    (
        "INSERT INTO store_connections (account_id, source_id, secrets, state, since)"
        " SELECT account_id, id, '', 'live', created_at FROM sources WHERE id = $1"
    ),
    (
        "INSERT INTO inbox (account_id, source_id, identity, topic, status, received_at)"
        " SELECT account_id, id, 'Quastenberg', 'orders/create', 'waiting', created_at FROM sources WHERE id = $1"
    ),
    (
        "INSERT INTO orders_to_read (account_id, source_id, order_id, asked_at)"
        " SELECT account_id, id, 'o-0', created_at FROM sources WHERE id = $1"
    ),
    (
        "INSERT INTO store_refunds (account_id, source_id, order_id, refund_id, amount)"
        " SELECT account_id, id, 'o-0', '1', '1.00' FROM sources WHERE id = $1"
    ),
    (
        "INSERT INTO data_requests (account_id, source_id, customers, asked_at, tell_at)"
        " SELECT account_id, id, '{}', created_at, created_at FROM sources WHERE id = $1"
    ),
)
"""Rows of tables that the requests of these tests do not fill."""


async def furnished(open_store, beside=None, customers: int = 3) -> Any:
    """A store with rows in every table."""
    store = await open_store(beside=beside, name=f"Shop of {NAME}")
    await set_sender(store)
    rows = [
        order(f"o-{n}", f"{NAME}-{n}", email=f"{n}{ADDRESS}", name=f"{NAME} {n}", at="2026-03-17T12:00:00Z")
        for n in range(customers)
    ]
    await store.send(*rows, order("guest", None, email=f"guest{ADDRESS}"), order("nobody", None))
    await store.load(b'{"order_id": "refused"}\n', "application/x-ndjson")
    found = await store.api.get("/customers", params={"source": store.source}, headers=store.auth)
    for each in found.json()["items"][:2]:
        await store.agree(each["id"])
        await queued(store, each["id"])
    for statement in REST:
        await store.sql.execute(statement, store.source_id)
    left = await store.api.put(f"/account/suppressions/guest{ADDRESS}", json={"reason": "left"}, headers=store.auth)
    assert left.status_code in {200, 201}, left.text
    return store


async def rows_of(sql, table: str, column: str, number: int) -> list[str]:
    return [str(dict(row)) for row in await sql.fetch(f"SELECT * FROM {table} WHERE {column} = $1", number)]


async def dump(sql) -> dict[str, str]:
    """Every row of every table."""
    return {table: str([dict(row) for row in await sql.fetch(f"SELECT * FROM {table}")]) for table in metadata.tables}


async def delete_store(store) -> dict[str, Any]:
    answer = await store.api.delete(f"/sources/{store.source}", headers=store.auth)
    assert answer.status_code == 202, answer.text
    assert answer.headers["Location"] == f"/sources/{store.source}/deletion"
    told: dict[str, Any] = answer.json()
    return told


async def delete_account(store) -> dict[str, Any]:
    answer = await store.api.delete(f"/accounts/{store.account}", headers=OPERATOR_AUTH)
    assert answer.status_code == 202, answer.text
    assert answer.headers["Location"] == f"/accounts/{store.account}/deletion"
    told: dict[str, Any] = answer.json()
    return told


async def clean_up(database, clock) -> None:
    """The worker, once other processes have forgotten what is deleted."""
    clock.now += DELETION_GRACE
    await work_once(database, clock)


async def is_true(database, store) -> bool:
    async with database.read() as conn:
        source = await read_source(conn, int(store.account.removeprefix("acc_")), store.source_id)
    return await verify(database, source) == []


# ---------------------------------------------------------------- stores


async def test_a_deleted_store_is_unknown_at_once(api, open_store, sql):
    store = await furnished(open_store)
    other = await furnished(open_store, beside=store)
    customer = (await store.ask(time_frame="all_time"))["items"][0]["customer"]["id"]
    messages = (await api.get("/messages", params={"customer": customer}, headers=store.auth)).json()["items"]

    told = await delete_store(store)

    assert told == {"id": store.source, "asked_at": "2026-03-18T12:00:00Z", "gone_at": None}
    source = f"/sources/{store.source}"
    for method, path, body in (
        ("GET", source, None),
        ("PATCH", source, {"name": "x"}),
        ("DELETE", source, None),
        ("GET", f"{source}/orders", None),
        ("GET", f"{source}/orders/o-1", None),
        ("DELETE", f"{source}/orders/o-1", None),
        ("GET", f"{source}/imports", None),
        ("GET", f"/customers?source={store.source}", None),
        ("POST", f"{source}/orders", {"orders": [order("new", "new")]}),
    ):
        problem(await api.request(method, path, json=body, headers=store.auth), 404, "unknown_source")
    problem(await store.load(b'{"order_id": "x"}\n', "application/x-ndjson"), 404, "unknown_source")
    board = await api.get("/leaderboard", params=store.board(time_frame="all_time"), headers=store.auth)
    problem(board, 404, "unknown_source")
    for method, path, body in (
        ("GET", f"/customers/{customer}", None),
        ("GET", f"/customers/{customer}/export", None),
        ("PATCH", f"/customers/{customer}", {"marketing": "subscribed"}),
        ("DELETE", f"/customers/{customer}", None),
    ):
        problem(await api.request(method, path, json=body, headers=store.auth), 404, "unknown_customer")
    word = {"customer": customer, "subject": "x", "text": "x"}
    refused = await api.post("/messages", json=word, headers=store.auth | {"Idempotency-Key": "late"})
    problem(refused, 404, "unknown_customer")
    problem(await api.get(f"/messages/{messages[0]['id']}", headers=store.auth), 404, "unknown_message")
    listed = (await api.get("/messages", headers=store.auth)).json()["items"]
    assert listed
    assert not {each["id"] for each in listed} & {each["id"] for each in messages}
    assert [row["id"] for row in (await api.get("/sources", headers=store.auth)).json()["items"]] == [other.source]
    assert store.source not in (await api.get("/leaderboard/options", headers=store.auth)).text
    assert "o-1" in str(await sql.fetch("SELECT order_id FROM orders WHERE source_id = $1", store.source_id))


async def test_of_a_deleted_store_no_row_and_no_word_is_left_and_its_neighbours_are_as_before(
    api, open_store, sql, database, clock
):
    keep = await open_store(name="Neighbour")
    await keep.sold(("ada", "10.00"), ("bea", "5.00"))
    near = await open_store(beside=keep, name="Near")
    await near.sold(("ada", "3.00"))
    headers = keep.auth | {"Idempotency-Key": "connect"}
    settings = {"audience": keep.audience, "name": f"Once more {NAME}", "platform": "custom", "currency": "EUR"}
    again = await api.post("/sources", json=settings | {"time_zone": "UTC"}, headers=headers)
    doomed = await furnished(open_store, beside=keep)
    boards = [(await store.ask(time_frame="all_time"))["items"] for store in (keep, near)]

    await delete_store(doomed)
    assert (await api.delete(f"/sources/{again.json()['id']}", headers=keep.auth)).status_code == 202
    await work_once(database, clock)
    assert (await api.get(f"/sources/{doomed.source}/deletion", headers=keep.auth)).json()["gone_at"] is None
    await clean_up(database, clock)

    gone = (await api.get(f"/sources/{doomed.source}/deletion", headers=keep.auth)).json()
    assert gone["gone_at"] == "2026-03-18T12:00:10Z"
    for table, text in (await dump(sql)).items():
        assert "Quastenberg" not in text, table
        assert "quastenberg" not in text or table == "sender_domains", table
        if "source_id" in metadata.tables[table].c:
            assert await rows_of(sql, table, "source_id", doomed.source_id) == []
    assert await sql.fetchval("SELECT count(*) FROM messages") == 0
    assert await sql.fetchval("SELECT count(*) FROM refused_rows") == 0
    assert [(await store.ask(time_frame="all_time"))["items"] for store in (keep, near)] == boards
    assert [await is_true(database, store) for store in (keep, near)] == [True, True]
    audit = (await api.get("/account/audit", headers=keep.auth)).json()["items"]
    assert [entry["about"] for entry in audit if entry["action"] == "source_deleted"] == [
        {"source": again.json()["id"]}, {"source": doomed.source},
    ]  # fmt: skip
    problem(await api.get(f"/sources/{keep.source}/deletion", headers=keep.auth), 404, "unknown_source")


async def test_an_import_that_is_under_way_ends_when_its_store_is_deleted(api, open_store, sql, database, clock):
    store = await open_store()
    begun = asyncio.Event()

    async def stream():
        for number in range(12_000):
            yield (json.dumps(order(f"n-{number}", f"c-{number % 50}")) + "\n").encode()
            if number == 11_000:
                begun.set()
                await deleted.wait()

    deleted = asyncio.Event()
    headers = store.auth | {"Content-Type": "application/x-ndjson"}
    running = asyncio.create_task(api.post(f"/sources/{store.source}/imports", content=stream(), headers=headers))
    await begun.wait()
    await until(lambda: sql.fetchval("SELECT count(*) > 0 FROM orders"))
    await delete_store(store)
    await clean_up(database, clock)
    deleted.set()

    problem(await running, 404, "unknown_source")
    assert await sql.fetchval("SELECT count(*) FROM orders") == 0
    assert await sql.fetchval("SELECT count(*) FROM imports") == 0
    assert await sql.fetchval("SELECT count(*) FROM sources") == 0


async def test_a_message_that_was_queued_is_not_sent_once_its_store_is_deleted(
    open_store, sql, database, clock, tmp_path
):
    store = await furnished(open_store)
    await delete_store(store)

    with sink(tmp_path) as smtp:
        await deliver(database, clock, smtp.url)

        assert smtp.taken == []
    assert {row["status"] for row in await sql.fetch("SELECT status FROM messages")} == {"cancelled"}


# ---------------------------------------------------------------- accounts


async def test_a_deleted_account_is_unknown_at_once_and_only_its_deletion_is_kept(
    api, open_store, sql, database, clock
):
    keep = await open_store(name="Neighbour")
    await keep.sold(("ada", "10.00"))
    doomed = await furnished(open_store)
    named = OPERATOR_AUTH | {"Idempotency-Key": "spring"}
    opened = (await api.post("/accounts", json={"name": NAME}, headers=named)).json()
    number = int(doomed.account.removeprefix("acc_"))

    told = await delete_account(doomed)
    assert (await api.delete(f"/accounts/{opened['id']}", headers=OPERATOR_AUTH)).status_code == 202

    assert told == {"id": doomed.account, "asked_at": "2026-03-18T12:00:00Z", "gone_at": None}
    account = f"/accounts/{doomed.account}"
    for path in ("/account", "/sources", f"/sources/{doomed.source}", "/messages"):
        problem(await api.get(path, headers=doomed.auth), 401, "key_required")
    problem(await doomed.post(order("late", "late")), 401, "key_required")
    for method, path in (("GET", account), ("DELETE", account), ("PATCH", account), ("POST", f"{account}/keys")):
        body = (
            {"plan": "free"} if method == "PATCH" else {"name": "k", "scopes": ["read"]} if method == "POST" else None
        )
        problem(await api.request(method, path, json=body, headers=OPERATOR_AUTH), 404, "unknown_account")
    assert doomed.account not in (await api.get("/accounts", headers=OPERATOR_AUTH)).text
    problem(await api.get(f"/accounts/{keep.account}/deletion", headers=OPERATOR_AUTH), 404, "unknown_account")

    await clean_up(database, clock)

    for table in metadata.tables:
        column = "id" if table == "accounts" else "account_id"
        assert len(await rows_of(sql, table, column, number)) == (1 if table in OUTLIVES_ITS_ACCOUNT else 0), table
    for table, text in (await dump(sql)).items():
        assert "uastenberg" not in text, table
    gone = (await api.get(f"{account}/deletion", headers=OPERATOR_AUTH)).json()
    assert gone["gone_at"] == "2026-03-18T12:00:10Z"
    audit = (await api.get(f"{account}/audit", headers=OPERATOR_AUTH)).json()["items"]
    assert audit == [{"at": "2026-03-18T12:00:00Z", "by": "operator", "action": "account_deleted", "about": {}}]
    again = await api.post("/accounts", json={"name": NAME}, headers=named)
    problem(again, 422, "idempotency_key_reused")
    assert await is_true(database, keep)


async def test_every_tenant_table_is_filled_by_these_tests_so_that_emptying_it_is_seen(open_store, sql):
    store = await furnished(open_store)
    number = int(store.account.removeprefix("acc_"))
    assert [table.name for table in CHILDREN_FIRST if not await rows_of(sql, table.name, "account_id", number)] == []


def test_every_table_is_removed_with_its_account_and_it_is_known_whether_with_its_source_too():
    tables = {*metadata.tables} - {"accounts", *OUTLIVES_ITS_ACCOUNT}
    assert {table.name for table in CHILDREN_FIRST} == tables
    assert tables - {"sources", *OWNERS} == {*OF_THE_ACCOUNT_ALONE}


# ---------------------------------------------------------------- many rows, crashes, several workers


async def test_a_removal_that_is_cut_off_anywhere_is_completed_by_another_worker(
    open_store, sql, database, clock, monkeypatch
):
    monkeypatch.setattr(remove_rows, "REMOVED_AT_ONCE", 2)
    keep = await open_store()
    await keep.sold(("ada", "10.00"))
    store = await furnished(open_store, customers=8)
    other = await furnished(open_store, beside=store, customers=4)
    await delete_store(store)
    clock.now += DELETION_GRACE
    account = int(store.account.removeprefix("acc_"))
    for table in OWNERS:
        if OWNERS[table].table == "sources":
            await asyncio.wait_for(Removal(database, account).remove_below(table, [store.source_id]), 20)
            break  # and the process is gone
    await asyncio.gather(work_once(database, clock), work_once(database, clock))

    assert await rows_of(sql, "sources", "id", store.source_id) == []
    for table in metadata.tables.values():
        if "source_id" in table.c:
            assert await rows_of(sql, table.name, "source_id", store.source_id) == []
    assert [await is_true(database, each) for each in (keep, other)] == [True, True]
    await delete_account(other)
    clock.now += DELETION_GRACE
    await Removal(database, account).remove_all("orders")
    await asyncio.gather(work_once(database, clock), work_once(database, clock))
    assert await rows_of(sql, "accounts", "id", account) == []
    assert await is_true(database, keep)


# ---------------------------------------------------------------- audiences


async def test_an_audience_is_shown_renamed_and_deleted_once_it_has_no_source(api, open_store, database, clock):
    store = await open_store()
    audience = f"/audiences/{store.audience}"
    shown = (await api.get(audience, headers=store.auth)).json()
    assert shown == {"id": store.audience, "name": "Everyone", "created_at": "2026-03-18T12:00:00Z"}

    renamed = await api.patch(audience, json={"name": " Friends "}, headers=store.auth)
    assert (renamed.status_code, renamed.json()) == (200, shown | {"name": "Friends"})
    assert (await api.get("/audiences", headers=store.auth)).json()["items"] == [renamed.json()]

    problem(await api.delete(audience, headers=store.auth), 409, "audience_in_use")
    await delete_store(store)
    problem(await api.delete(audience, headers=store.auth), 409, "audience_in_use")
    await clean_up(database, clock)
    assert (await api.delete(audience, headers=store.auth)).status_code == 204
    for method in ("GET", "DELETE"):
        problem(await api.request(method, audience, headers=store.auth), 404, "unknown_audience")
    problem(await api.patch(audience, json={"name": "x"}, headers=store.auth), 404, "unknown_audience")
    settings = {"audience": store.audience, "name": "x", "platform": "custom", "currency": "EUR", "time_zone": "UTC"}
    problem(await api.post("/sources", json=settings, headers=store.auth), 404, "unknown_audience")
