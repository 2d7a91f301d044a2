"""Operator: accounts, their keys and the audit log, by HTTP and by commands; settings that are checked at the start."""

import asyncio
import json
import time

import httpx
import pytest
from answers import problem
from conftest import OPERATOR, UNLIMITED, serving
from postal import deliver
from processes import command, running
from shop import order

from app.accounts import access
from app.admission import FairUse
from app.main import create_app

OPERATOR_AUTH = {"Authorization": f"Bearer {OPERATOR}"}


@pytest.fixture(autouse=True)
def forgetful(monkeypatch):
    """Keys are looked up each time."""
    monkeypatch.setattr(access, "KEY_REMEMBERED_SECONDS", 0.0)


async def ask(api, method, path, expected=200, auth=OPERATOR_AUTH, **given):
    answer = await api.request(method, path, headers=auth | given.pop("headers", {}), **given)
    assert answer.status_code == expected, answer.text
    return answer.json()


# ---------------------------------------------------------------- accounts


async def test_the_operator_lists_and_shows_accounts(api, open_account):
    opened = [(await open_account(name=f"Shops {n}"))[0] for n in range(5)]
    page = await ask(api, "GET", "/accounts?limit=2")
    found = [each["id"] for each in page["items"]]
    while page["next_cursor"]:
        page = await ask(api, "GET", f"/accounts?limit=2&cursor={page['next_cursor']}")
        found += [each["id"] for each in page["items"]]
    assert found == opened
    shown = await ask(api, "GET", f"/accounts/{opened[3]}")
    assert (shown["name"], shown["plan"], shown["closed_at"]) == ("Shops 3", "paid", None)


async def test_a_closed_account_is_refused_sends_nothing_and_can_be_opened_again(api, store, database, clock, tmp_path):
    await store.send(order("1", "ada", email="ada@example.test"))
    customer = (await store.ask(time_frame="all_time"))["items"][0]["customer"]["id"]
    message = {"customer": customer, "subject": "Hello", "text": "Hello", "kind": "transactional"}
    headers = store.auth | {"Idempotency-Key": "1"}
    queued = (await api.post("/messages", json=message, headers=headers)).json()["id"]

    closed = await ask(api, "PATCH", f"/accounts/{store.account}", json={"closed": True})
    assert closed["closed_at"] is not None
    for path in ("/account", "/sources", f"/customers/{customer}"):
        problem(await api.get(path, headers=store.auth), 403, "account_closed")
    await deliver(database, clock, f"maildir:{tmp_path}/mail")
    assert [*tmp_path.rglob("*:2,*"), *tmp_path.glob("mail/new/*")] == []

    opened = await ask(api, "PATCH", f"/accounts/{store.account}", json={"closed": False, "plan": "paid"})
    assert opened["closed_at"] is None
    shown = (await api.get(f"/messages/{queued}", headers=store.auth)).json()
    assert (shown["status"], shown["reason"]) == ("cancelled", "plan_lost")


async def test_a_lost_key_is_replaced_by_the_operator(api, open_account):
    account, _ = await open_account()
    made = await ask(api, "POST", f"/accounts/{account}/keys", 201, json={"name": "new", "scopes": ["admin", "read"]})
    auth = {"Authorization": f"Bearer {made['key']}"}
    assert (await ask(api, "GET", "/account", auth=auth))["id"] == account
    problem(
        await api.post("/accounts/acc_999/keys", json={"name": "n", "scopes": ["read"]}, headers=OPERATOR_AUTH),
        404,
        "unknown_account",
    )


# ---------------------------------------------------------------- requests that are repeated


@pytest.mark.parametrize("at_once", [False, True])
async def test_an_account_is_opened_once_for_an_idempotency_key(api, sql, at_once, pool_size):
    headers = OPERATOR_AUTH | {"Idempotency-Key": "opening-1"}
    asked = [api.post("/accounts", json={"name": "Once", "plan": "paid"}, headers=headers) for _ in range(3)]
    answers = await asyncio.gather(*asked) if at_once else [await each for each in asked]
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1
    assert sorted(answer.headers.get("Idempotent-Replayed", "") for answer in answers) == ["", "true", "true"]
    made = answers[0].json()
    shown = await ask(api, "GET", "/account", auth={"Authorization": f"Bearer {made['api_key']}"})
    assert (shown["id"], shown["name"]) == (made["id"], "Once")
    assert await sql.fetchval("SELECT count(*) FROM accounts") == 1
    assert await sql.fetchval("SELECT count(*) FROM api_keys") == 1
    stored = await sql.fetchval("SELECT string_agg(k::text, '') FROM idempotency_keys AS k")
    assert made["api_key"] not in stored
    quoted = OPERATOR_AUTH | {"Idempotency-Key": '"opening-1"'}  # the same key, as RFC 8941 writes strings
    assert (await api.post("/accounts", json={"name": "Once", "plan": "paid"}, headers=quoted)).json() == made
    other = await api.post("/accounts", json={"name": "Another"}, headers=headers)
    problem(other, 422, "idempotency_key_reused")


async def test_a_key_is_made_once_for_an_idempotency_key_and_its_secret_is_not_stored(api, open_account, sql):
    _, first = await open_account()
    auth, wanted = {"Authorization": f"Bearer {first}"}, {"name": "front", "scopes": ["read"]}
    named = {"Idempotency-Key": "key-1"}
    answers = [await api.post("/account/keys", json=wanted, headers=auth | named) for _ in range(2)]
    assert answers[0].text == answers[1].text
    assert answers[1].headers["Idempotent-Replayed"] == "true"
    made = answers[0].json()
    assert (await ask(api, "GET", "/account", auth={"Authorization": f"Bearer {made['key']}"}))["key"] == made["id"]
    stored = await sql.fetchval("SELECT string_agg(k::text, '') FROM idempotency_keys AS k")
    assert made["key"] not in stored
    assert await sql.fetchval("SELECT count(*) FROM api_keys") == 2
    quoted = {"Idempotency-Key": '"key-1"'}
    assert (await api.post("/account/keys", json=wanted, headers=auth | quoted)).json() == made
    other = await api.post("/account/keys", json=wanted | {"name": "x"}, headers=auth | named)
    problem(other, 422, "idempotency_key_reused")
    # Whoever has another admin key cannot learn the key that was made.
    second = await ask(api, "POST", "/account/keys", 201, auth, json={"name": "b", "scopes": ["admin"]})
    stranger = {"Authorization": f"Bearer {second['key']}"} | named
    problem(await api.post("/account/keys", json=wanted, headers=stranger), 422, "idempotency_key_reused")
    await sql.execute("DELETE FROM idempotency_keys")  # as the worker does after a day
    problem(await api.post("/account/keys", json=wanted, headers=auth | named), 422, "idempotency_key_reused")


# ---------------------------------------------------------------- the audit log


async def test_the_audit_log_tells_who_did_what_and_holds_no_secret(api, store, sql):
    made = await ask(api, "POST", "/account/keys", 201, store.auth, json={"name": "k", "scopes": ["read"]})
    revoked = await api.delete(f"/account/keys/{made['id']}", headers=store.auth)
    assert revoked.status_code == 204
    await ask(api, "PATCH", f"/accounts/{store.account}", json={"plan": "free"})
    await ask(api, "PATCH", f"/accounts/{store.account}", json={"plan": "free"})  # which changes nothing
    log = await ask(api, "GET", "/account/audit", auth=store.auth)
    told = [(each["by"], each["action"], each["about"]) for each in log["items"]]
    assert told[0] == ("operator", "plan_changed", {"plan": "free"})
    assert told[1][1:] == ("key_revoked", {"key": made["id"]})
    assert told[2][1:] == ("key_created", {"key": made["id"], "name": "k", "scopes": ["read"]})
    assert [action for _, action, _ in told[3:]] == ["sender_set", "key_created", "account_opened"]
    assert {by for by, _, _ in told[1:4]} == {(await ask(api, "GET", "/account", auth=store.auth))["key"]}
    assert await ask(api, "GET", f"/accounts/{store.account}/audit") == log
    assert made["key"] not in json.dumps(log)
    page = await ask(api, "GET", "/account/audit?limit=4", auth=store.auth)
    rest = await ask(api, "GET", f"/account/audit?limit=4&cursor={page['next_cursor']}", auth=store.auth)
    assert page["items"] + rest["items"] == log["items"]


# ---------------------------------------------------------------- guessing


async def test_whoever_guesses_at_the_operator_s_key_is_answered_slowly_and_delays_nobody(database, monkeypatch):
    monkeypatch.setattr(access, "WRONG_KEY_SECONDS", 0.5)
    app = create_app(database, admin_key=OPERATOR, fair_use=FairUse(quotas=UNLIMITED))
    async with serving(app) as url, httpx.AsyncClient(base_url=url, timeout=60) as api:
        wrong = {"Authorization": "Bearer operator-key-of-the-guess"}
        begun = time.monotonic()
        guesses = [asyncio.create_task(api.get("/accounts", headers=wrong)) for _ in range(16)]
        await asyncio.sleep(0.2)
        assert (await api.get("/livez")).status_code == 200
        problem(await api.get("/accounts", headers=wrong), 429, "too_many_requests")
        assert time.monotonic() - begun < 0.5
        for answer in await asyncio.gather(*guesses):
            problem(answer, 401, "key_required")
        assert time.monotonic() - begun >= 0.5
        assert (await api.get("/accounts", headers=OPERATOR_AUTH)).status_code == 200


# ---------------------------------------------------------------- commands and settings


@pytest.mark.slow
def test_keys_are_listed_made_and_revoked_by_commands(data_dir):
    with running(data_dir) as service:
        account = httpx.post(f"{service.url}/accounts", json={"name": "A"}, headers=OPERATOR_AUTH).json()
        made = command(data_dir, "keys", "create", account["id"], "read", "admin", "--name", "night")
        assert made.code == 0, made.err
        auth = {"Authorization": f"Bearer {made.out.strip()}"}
        shown = httpx.get(f"{service.url}/account", headers=auth).json()
        assert (shown["id"], shown["scopes"]) == (account["id"], ["read", "admin"])
        listed = command(data_dir, "keys", "list", account["id"])
        assert [line.split("\t")[1:] for line in listed.out.splitlines()] == [
            ["read,write,send,admin", "first key"],
            ["read,admin", "night"],
        ]
        assert command(data_dir, "keys", "revoke", account["id"], shown["key"]).out == f"{shown['key']}: revoked\n"
        time.sleep(5.1)
        assert httpx.get(f"{service.url}/account", headers=auth).status_code == 401
        log = httpx.get(f"{service.url}/accounts/{account['id']}/audit", headers=OPERATOR_AUTH).json()["items"]
        assert [(each["by"], each["action"]) for each in log[:2]] == [
            ("command", "key_revoked"),
            ("command", "key_created"),
        ]
    nobody = command(data_dir, "keys", "create", "acc_77", "read")
    assert (nobody.code, nobody.lines) == (1, ["loyalty-leaderboard: There is no such account."])


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"MAIL_RATE_PER_SECONDS": "5"}, "MAIL_RATE_PER_SECONDS: there is no such setting; did you mean MAIL_RATE"),
        ({"RATE_LIMIT_SENDINGS": "5"}, "RATE_LIMIT_SENDINGS: there is no such setting; did you mean RATE_LIMIT_SENDS?"),
        ({"MAIL_WEBHOOK_SECRET": "user:secret"}, "MAIL_WEBHOOK_SECRET: maildir sends no feedback; leave it out"),
        (
            {"MAIL_WEBHOOK_SECRET": "secret", "MAIL_URL": "postmark://token", "PUBLIC_URL": "https://shop.example"},
            "MAIL_WEBHOOK_SECRET: must be user:password, as in the webhook's URL",
        ),
        ({"CORS_ORIGINS": "*"}, "CORS_ORIGINS: must be origins"),
        ({"ADMIN_KEY": "short"}, "ADMIN_KEY: must have at least 24 characters"),
    ],
)
def test_settings_are_checked_at_the_start(tmp_path, settings, told):
    done = command(tmp_path / "var", "serve", **settings)
    assert (done.code, len(done.lines)) == (2, 1), done.err
    assert done.lines[0].startswith(f"loyalty-leaderboard: {told}")
    assert "secret" not in done.lines[0].replace("MAIL_WEBHOOK_SECRET", "")


# ---------------------------------------------------------------- backup and restore


@pytest.mark.slow
def test_a_backup_is_restored_to_the_last_row_and_verifies(data_dir, tmp_path):
    file = tmp_path / "backup.dump"
    with running(data_dir) as service:
        account = httpx.post(
            f"{service.url}/accounts", json={"name": "A", "plan": "paid"}, headers=OPERATOR_AUTH
        ).json()
        auth = {"Authorization": f"Bearer {account['api_key']}"}
        audience = httpx.post(f"{service.url}/audiences", json={"name": "E"}, headers=auth).json()["id"]
        wanted = {"audience": audience, "name": "S", "platform": "custom", "currency": "EUR", "time_zone": "UTC"}
        source = httpx.post(f"{service.url}/sources", json=wanted, headers=auth).json()["id"]
        rows = [order(f"o{n}", f"c{n % 7}", f"{n}.50", "2026-03-01T12:00:00Z") for n in range(100)]
        assert httpx.post(f"{service.url}/sources/{source}/orders", json={"orders": rows}, headers=auth).is_success
        board = {"audience": audience, "source": source, "time_frame": "all_time"}
        before = httpx.get(f"{service.url}/leaderboard", params=board, headers=auth).json()
        done = command(data_dir, "backup", str(file))
        assert done.code == 0, done.err
    assert file.stat().st_mode & 0o077 == 0
    again = command(data_dir, "backup", str(file))
    assert (again.code, again.lines) == (1, [f"loyalty-leaderboard: {file} exists already"])
    full = command(data_dir, "restore", str(file))
    assert full.code == 1
    assert "the database is not empty" in full.err

    elsewhere = tmp_path / "elsewhere" / "var"
    elsewhere.parent.mkdir()
    restored = command(elsewhere, "restore", str(file))
    assert restored.code == 0, restored.err
    assert command(elsewhere, "verify").out == f"{source}: true\n"
    with running(elsewhere) as service:
        after = httpx.get(f"{service.url}/leaderboard", params=board, headers=auth).json()
    ignored = {"as_of": None, "end": None}
    assert after | ignored == before | ignored


def test_a_file_that_is_no_backup_is_refused_in_one_line(tmp_path):
    file = tmp_path / "orders.csv"
    file.write_text("order_id\n1\n")
    done = command(tmp_path / "var", "restore", str(file))
    assert (done.code, len(done.lines)) == (1, 1), done.err
    assert "pg_restore failed" in done.lines[0]
