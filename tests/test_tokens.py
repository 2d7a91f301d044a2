"""Browser tokens: what a web page may ask without an API key, and that it gets nothing else."""

import asyncio
import base64
import json
import re
from datetime import timedelta
from typing import Any

import httpx
import pytest
import structlog
from answers import operations, pointers, problem
from conftest import NOW, serving
from every_operation import call, requests
from postal import customer as person
from shop import OPERATOR, order

from app.accounts import access, rate_limits
from app.accounts.browser_token import given_token
from app.accounts.rate_limits import Quotas
from app.admission import FairUse
from app.main import create_app
from app.vocabulary import TokenOperation
from app.worker import work_once

pytestmark = pytest.mark.usefixtures("midday")

OPERATOR_AUTH = {"Authorization": f"Bearer {OPERATOR}"}
EVERYTHING = [*TokenOperation]
WHOLE = {"time_frame": "all_time"}
ADDRESS = re.compile(r"[\w.+-]+@[\w-]+\.\w+")
MESSAGE_IDS = re.compile(r"[0-9a-f]{32}@shop\.example")
FORMS = ("application/json", "text/csv", "application/x-ndjson")


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


async def new_key(store, *scopes: str) -> str:
    answer = await store.api.post("/account/keys", json={"name": "one", "scopes": scopes}, headers=store.auth)
    key: str = answer.json()["key"]
    return key


async def made(store, key: str | None = None, **wanted: Any) -> httpx.Response:
    body = {"sources": [store.source], "operations": EVERYTHING, **wanted}
    return await store.api.post("/account/tokens", json=body, headers=bearer(key or store.key))


async def token(store, key: str | None = None, **wanted: Any) -> dict[str, str]:
    """The headers of a caller with a new token."""
    answer = await made(store, key, **wanted)
    assert answer.status_code == 201, answer.text
    return bearer(answer.json()["token"])


def shown_by(answer: httpx.Response) -> str:
    """All that an answer says: body, headers, and what its cursors hold."""
    told = answer.text + str(answer.headers)
    for cursor in re.findall(r'"next_cursor": ?"([A-Za-z0-9_-]+)"', answer.text):
        told += base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("latin-1")
    return told


# ---------------------------------------------------------------- making one


async def test_a_token_says_what_it_admits_and_until_when(store):
    answer = await made(store, operations=["vips", "board"], lifetime_seconds=3600, requests_per_minute=30)

    shown = answer.json()
    assert re.fullmatch(r"llt_\d+_\d+\.[\w-]+\.[\w-]{43}", shown.pop("token"))
    assert shown == {
        "expires_at": "2026-03-18T13:00:00Z",
        "sources": [store.source],
        "operations": ["board", "vips"],
        "emails": False,
        "requests_per_minute": 30,
    }
    assert answer.headers["Cache-Control"] == "no-store"
    by_default = (await made(store)).json()
    assert (by_default["expires_at"], by_default["requests_per_minute"]) == ("2026-03-18T12:15:00Z", 120)


async def test_a_token_names_only_what_its_key_may_do_and_whose_account_it_is(api, open_store, store):
    theirs, deleted = await open_store(), await open_store(beside=store)
    assert (await api.delete(f"/sources/{deleted.source}", headers=store.auth)).status_code == 202
    reading, sending = await new_key(store, "read"), await new_key(store, "send")

    for operation in TokenOperation:
        allowed, refused = (sending, reading) if operation == "message" else (reading, sending)
        assert (await made(store, allowed, operations=[operation])).status_code == 201
        problem(await made(store, refused, operations=[operation]), 403, "scope_required")
    for unknown in (theirs.source, deleted.source, "src_987654321", "src_0", "x", ""):
        problem(await made(store, sources=[store.source, unknown]), 404, "unknown_source")


async def test_a_token_that_names_nothing_or_lives_too_long_is_not_made(store):
    for wanted, pointer in (
        ({"sources": []}, "#/sources"),
        ({"sources": [store.source] * 101}, "#/sources"),
        ({"operations": []}, "#/operations"),
        ({"operations": ["orders"]}, "#/operations/0"),
        ({"lifetime_seconds": 59}, "#/lifetime_seconds"),
        ({"lifetime_seconds": 86_401}, "#/lifetime_seconds"),
        ({"emails": "yes"}, "#/emails"),
        ({"requests_per_minute": 0}, "#/requests_per_minute"),
        ({"scopes": ["read"]}, "#/scopes"),
    ):
        assert pointers(await made(store, **wanted)) == [pointer]


# ---------------------------------------------------------------- every operation


@pytest.mark.parametrize("named", EVERYTHING)
async def test_every_operation_lets_in_exactly_the_tokens_that_name_it(api, store, document, monkeypatch, named):
    monkeypatch.setattr(access, "WRONG_KEY_SECONDS", 0.0)
    auth = await token(store, operations=[named])
    found, expected = {}, {}
    for method, path, operation in operations(document):
        name = operation["operationId"]
        admitted = operation.get("x-scope") is None or operation.get("x-token") == named
        expected[name] = "in" if admitted else "token_refused"
        if operation.get("x-scope") == "operator":
            expected[name] = "key_required"
        answer = await call(api, method, path, requests(store).get(name, {}), auth)
        assert answer.status_code < 500, f"{name} {answer.text}"
        found[name] = answer.json()["code"] if answer.status_code in {401, 403} else "in"

    assert found == expected


async def about_store(api, store, auth: dict[str, str], **customer: str) -> dict[str, httpx.Response]:
    """Every way to ask for a store and its customer, in every form."""
    named = {"Idempotency-Key": customer["id"]}
    ways: dict[str, tuple[str, str, dict[str, Any]]] = {
        "options": ("GET", "/leaderboard/options", {}),
        "around": ("GET", "/leaderboard", {"params": store.board(**WHOLE, around=customer["id"])}),
        "next": ("GET", "/leaderboard", {"params": store.board(**WHOLE, limit=1)}),
        "live": ("GET", "/leaderboard", {"params": store.board(**WHOLE, as_of="2026-03-17T00:00:00Z")}),
        "gaps": ("GET", "/leaderboard", {"params": store.board(time_frame="last_month", compare="previous")}),
        "preview of VIPs": ("GET", "/segments/vip/preview", {"params": store.board()}),
        "next VIPs": ("GET", "/segments/vip", {"params": store.board(limit=1, min_orders=0)}),
        "profile": ("GET", f"/customers/{customer['id']}", {}),
        "list": ("GET", "/customers", {"params": {"source": store.source, "limit": 1}}),
        "by name": ("GET", "/customers", {"params": {"source": store.source, "q": customer["name"], "limit": 1}}),
        "by address": ("GET", "/customers", {"params": {"source": store.source, "email": customer["email"]}}),
        "by id": ("GET", "/customers", {"params": {"source": store.source, "external_id": customer["external_id"]}}),
        "preview": ("POST", "/messages/preview", {"json": personal(customer["id"])}),
        "message": ("POST", "/messages", {"json": personal(customer["id"]), "headers": named}),
        "message again": ("POST", "/messages", {"json": personal(customer["id"]), "headers": named}),
    }
    for form in ("csv", "ndjson"):
        ways[f"board as {form}"] = ("GET", "/leaderboard/export", {"params": store.board(**WHOLE, format=form)})
        ways[f"VIPs as {form}"] = ("GET", "/segments/vip/export", {"params": store.board(min_orders=0, format=form)})
    for form in FORMS:
        headers = {"Accept": form}
        ways[f"board {form}"] = ("GET", "/leaderboard", {"params": store.board(**WHOLE), "headers": headers})
        ways[f"VIPs {form}"] = ("GET", "/segments/vip", {"params": store.board(min_orders=0), "headers": headers})
    return {name: await call(api, method, path, sent, auth) for name, (method, path, sent) in ways.items()}


def personal(customer: str) -> dict[str, Any]:
    words = {"subject": "For {{ customer.name }}", "text": "Dear {{ customer.greeting_name }}!"}
    return words | {"personalise": True, "kind": "transactional", "customer": customer}


@pytest.fixture
async def shown(store) -> dict[str, str]:
    """A customer of the store; another one has an address for a name and for an id."""
    await store.send(
        order("1", "ada", "90.00", email="ada@example.test", name="Ada Byron"),
        order("2", "bea@example.test", "80.00", email="bea@example.test", name="Bea bea.b@example.test"),
        order("3", "cyd", "70.00", email="cyd@example.test", first_name="cyd@example.test", last_name="Ada"),
    )
    found = await store.api.get("/customers", params={"source": store.source, "q": "ada b"}, headers=store.auth)
    row: dict[str, str] = found.json()["items"][0]
    return row


async def test_what_does_not_show_addresses_shows_none_anywhere(api, store, shown):
    await store.agree(shown["id"])
    found = await api.get(
        "/customers", params={"source": store.source, "external_id": "bea@example.test"}, headers=store.auth
    )
    for customer in (shown, found.json()["items"][0]):
        masked = await about_store(api, store, await token(store), **customer)
        for way, answer in masked.items():
            if way == "by address" or (way == "by id" and "@" in customer["external_id"]):
                problem(answer, 403, "token_refused")
            elif way == "by name" and "@" in customer["name"]:
                assert answer.json()["items"] == []
            else:
                assert answer.status_code in {200, 202}, f"{way} {answer.text}"
            assert ADDRESS.findall(MESSAGE_IDS.sub("", shown_by(answer))) == [], way


async def test_what_shows_addresses_shows_what_a_key_shows(api, store, shown):
    with_key = await about_store(api, store, store.auth, **shown)
    with_token = await about_store(api, store, await token(store, emails=True), **shown)

    for way, answer in with_key.items():
        if not way.startswith("message") and way != "profile":
            assert with_token[way].text == answer.text, way
    assert "ada@example.test" in with_token["board text/csv"].text
    assert with_token["profile"].json()["email"] == "ada@example.test"


async def test_a_masked_address_tells_its_first_character_and_all_else_stays(api, store, shown):
    auth = await token(store)
    whole, masked = [
        (await api.get("/leaderboard", params=store.board(**WHOLE), headers=each)).json()["items"]
        for each in (store.auth, auth)
    ]

    assert [row["customer"]["email"] for row in masked] == ["a***@***", "b***@***", "c***@***"]
    assert [row["customer"]["name"] for row in masked] == ["Ada Byron", "Bea b***@***", "c***@*** Ada"]
    assert masked[1]["customer"]["external_id"] == "b***@***"
    for rows in (whole, masked):
        for row in rows:
            row["customer"] = {"id": row["customer"]["id"], "messageable": row["customer"]["messageable"]}
    assert whole == masked
    assert (await api.get(f"/customers/{shown['id']}", headers=auth)).json()["email"] == "a***@***"


async def test_nobody_is_found_by_an_address_that_is_not_shown(api, store, shown):
    auth = await token(store)

    async def names(q: str) -> list[str]:
        found = await api.get("/customers", params={"source": store.source, "q": q}, headers=auth)
        return [row["name"] for row in found.json()["items"]]

    assert await names("ADA b") == ["Ada Byron"]
    assert await names("ada@") == await names("bea") == await names("cyd") == []


async def test_the_masked_answer_is_another_one_than_the_whole_one(api, store, shown):
    auth, whole = await token(store), await token(store, emails=True)
    for path in ("/leaderboard", "/segments/vip"):
        masked = await api.get(path, params=store.board(), headers=auth)
        known = {"If-None-Match": masked.headers["ETag"]}
        assert (await api.get(path, params=store.board(), headers=auth | known)).status_code == 304
        assert (await api.get(path, params=store.board(), headers=whole | known)).status_code == 200


async def test_another_source_of_the_account_is_as_unknown_as_one_of_nobody(api, open_store, store, shown):
    other = await open_store(beside=store, name="Secret shop")
    theirs = await person(other, "zoe")
    before = await api.get("/messages", headers=store.auth)
    auth = await token(store, emails=True)
    customer = {"id": theirs, "name": "zoe", "email": "zoe@example.test", "external_id": "zoe"}
    nowhere = type(store)(api, store.key, store.account, "aud_987654", "src_987654", store.sql)

    hidden = await about_store(api, other, auth, **customer)
    unknown = await about_store(api, nowhere, auth, **customer | {"id": "cus_987654"})

    for way, answer in hidden.items():
        if way == "options":
            assert [source["id"] for each in answer.json()["audiences"] for source in each["sources"]] == [store.source]
            assert len(answer.json()["audiences"]) == 1
        else:
            ours, nobodys = ({**each.json(), "request_id": ""} for each in (answer, unknown[way]))
            assert (answer.status_code, ours) == (404, nobodys), way
        assert not re.search(r"zoe|Zoe|Secret|" + f"{other.source}\\b|{other.audience}\\b|{theirs}\\b", answer.text), (
            way
        )
    mixed = await api.get("/leaderboard", params=store.board(**WHOLE, around=theirs), headers=auth)
    problem(mixed, 404, "customer_not_ranked")
    assert (await api.get("/messages", headers=store.auth)).text == before.text
    both = await token(store, sources=[store.source, other.source])
    assert (await api.get("/leaderboard", params=other.board(), headers=both)).status_code == 200


async def test_who_was_merged_in_another_source_leads_nowhere(api, open_store, store):
    other = await open_store(beside=store)
    one, two, here, heir = [
        await person(shop, name) for shop, name in ((other, "yan"), (other, "zoe"), (store, "ada"), (store, "bea"))
    ]
    for merged, into in ((one, two), (here, heir)):
        answer = await api.post(f"/customers/{merged}/merge", json={"into": into}, headers=store.auth)
        assert answer.status_code == 200, answer.text
    auth = await token(store)
    sent = auth | {"Idempotency-Key": "b"}

    hidden = await api.get(f"/customers/{one}", headers=auth)
    assert "Location" not in hidden.headers
    problem(hidden, 404, "unknown_customer")
    problem(await api.post("/messages", json=personal(one), headers=sent), 404, "unknown_customer")
    moved = await api.get(f"/customers/{here}", headers=auth)
    assert (moved.status_code, moved.headers["Location"]) == (308, f"/customers/{heir}")
    assert (await api.post("/messages", json=personal(here), headers=sent)).json()["customer"] == heir


async def test_a_preview_for_nobody_is_from_no_store_that_the_token_does_not_name(api, open_store):
    other = await open_store()
    named = await open_store(beside=other)
    sender = {"name": "Secret shop", "email": "secret@shop.example"}
    told = {"sender": sender, "postal_address": "Hidden street 1\n12345 Berlin"}
    answer = await api.patch(f"/sources/{other.source}", json=told, headers=other.auth)
    assert answer.status_code == 200, answer.text
    words = {"subject": "Hello", "text": "A word."}

    assert "Hidden street" in (await api.post("/messages/preview", json=words, headers=other.auth)).text
    hidden = await api.post("/messages/preview", json=words, headers=await token(named))
    problem(hidden, 409, "sender_required")
    shown = await api.post("/messages/preview", json=words, headers=await token(other))
    assert "Hidden street" in shown.text


async def test_a_page_of_a_key_is_not_repeated_to_a_token(api, store, shown):
    """The Idempotency-Keys of tokens are their own: a page can neither read nor block those of the backend."""
    named = {"Idempotency-Key": "spring"}
    first = await api.post("/messages", json=personal(shown["id"]), headers=store.auth | named)
    second = await api.post("/messages", json=personal(shown["id"]), headers=await token(store) | named)
    again = await api.post("/messages", json=personal(shown["id"]), headers=await token(store) | named)

    assert first.json()["id"] != second.json()["id"] == again.json()["id"]
    assert again.headers["Idempotent-Replayed"] == "true"


# ---------------------------------------------------------------- what opens nothing


async def test_a_token_opens_nothing_from_the_second_on_at_which_it_expires(api, store, clock):
    auth = await token(store, lifetime_seconds=60)
    params = store.board()
    clock.now = NOW + timedelta(seconds=59.9)
    assert (await api.get("/leaderboard", params=params, headers=auth)).status_code == 200
    clock.now = NOW + timedelta(seconds=60)

    expired = await api.get("/leaderboard", params=params, headers=auth)

    problem(expired, 401, "token_expired")
    assert expired.headers["WWW-Authenticate"] == 'Bearer realm="loyalty-leaderboard", error="invalid_token"'


async def test_forged_truncated_and_moved_tokens_open_nothing(api, open_store, store, statements):
    other = await open_store()
    text = (await token(store))["Authorization"].removeprefix("Bearer ")
    head, claims, seal = text.split(".")
    prefix, account, key = head.split("_")
    foreign = other.account.removeprefix("acc_")
    content = json.loads(base64.urlsafe_b64decode(claims + "=="))
    wider = base64.urlsafe_b64encode(json.dumps(content | {"emails": True}).encode()).decode().rstrip("=")
    well_formed = [
        f"{prefix}_{foreign}_{key}.{claims}.{seal}", f"{prefix}_{account}_{int(key) + 1}.{claims}.{seal}",
        f"{prefix}_{account}_{key}.{wider}.{seal}", f"{head}.{claims}.{'A' * 43}",
        f"{prefix}_987654_{key}.{claims}.{seal}",
        *(text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :] for at in range(len(head) + 1, len(text))),
    ]  # fmt: skip
    well_formed = [each for each in well_formed if given_token(each) is not None]
    malformed = [
        text[:-1], text + "A", text[:-44], head, f"{head}.{claims}", "llt_", f"{head}..{seal}", text + "\u00b2",
        f"{prefix}_0_{key}.{claims}.{seal}", f"{prefix}_{account}_{'9' * 30}.{claims}.{seal}", f"{text}.{seal}",
    ]  # fmt: skip
    for each in well_formed:
        problem(await api.get("/leaderboard", params=store.board(), headers=bearer(each)), 401, "invalid_token")
    with statements.during() as ran:
        for each in malformed:
            sent = {b"Authorization": f"Bearer {each}".encode("latin-1")}
            problem(await api.get("/leaderboard", params=store.board(), headers=sent), 401, "invalid_token")
    assert len(well_formed) > 100
    assert ran == []
    assert (await api.get("/leaderboard", params=store.board(), headers=bearer(text))).status_code == 200


async def test_a_token_dies_with_its_key_and_no_other(api, store, monkeypatch):
    monkeypatch.setattr(access, "KEY_REMEMBERED_SECONDS", 0.3)
    key, other = await new_key(store, "read"), await new_key(store, "read")
    dying, living = [await token(store, each, operations=["board"]) for each in (key, other)]
    key_id = (await api.get("/account", headers=bearer(key))).json()["key"]
    assert (await api.get("/leaderboard", params=store.board(), headers=dying)).status_code == 200

    assert (await api.delete(f"/account/keys/{key_id}", headers=store.auth)).status_code == 204
    await asyncio.sleep(0.35)

    problem(await api.get("/leaderboard", params=store.board(), headers=dying), 401, "invalid_token")
    assert (await api.get("/leaderboard", params=store.board(), headers=living)).status_code == 200


async def test_a_token_follows_its_account(api, store, shown, monkeypatch):
    monkeypatch.setattr(access, "KEY_REMEMBERED_SECONDS", 0.0)
    auth = await token(store)
    board = {"params": store.board(), "headers": auth}

    async def change(**what: Any) -> None:
        answer = await api.patch(f"/accounts/{store.account}", json=what, headers=OPERATOR_AUTH)
        assert answer.status_code == 200, answer.text

    await change(plan="free")
    problem(await api.post("/messages/preview", json=personal(shown["id"]), headers=auth), 403, "plan_required")
    sent = auth | {"Idempotency-Key": "c"}
    problem(await api.post("/messages", json=personal(shown["id"]), headers=sent), 403, "plan_required")
    assert (await api.get("/leaderboard", **board)).status_code == 200
    await change(closed=True)
    problem(await api.get("/leaderboard", **board), 403, "account_closed")
    await change(closed=False)
    assert (await api.delete(f"/accounts/{store.account}", headers=OPERATOR_AUTH)).status_code == 202
    problem(await api.get("/leaderboard", **board), 401, "invalid_token")


# ---------------------------------------------------------------- what it costs


async def test_a_token_has_a_limit_of_its_own(database, store, monkeypatch):
    monkeypatch.setattr(rate_limits, "WINDOW_SECONDS", 3600)
    few, many = await token(store, requests_per_minute=3), await token(store, requests_per_minute=100_000)
    quotas = Quotas(requests=5, sends=2, expensive_reads=1, tokens=50)
    app = create_app(database, fair_use=FairUse(quotas=quotas), clock=lambda: NOW)
    async with serving(app) as url, httpx.AsyncClient(base_url=url) as api:
        asked = [await api.get("/leaderboard", params=store.board(), headers=few) for _ in range(4)]
        assert [answer.status_code for answer in asked] == [200, 200, 200, 429]
        assert asked[0].headers["RateLimit-Policy"] == '"default";q=3;w=3600'
        problem(asked[3], 429, "too_many_requests")
        assert (await api.get("/account", headers=store.auth)).headers["RateLimit"].startswith('"default";r=4;')
        assert (await api.get("/leaderboard", params=store.board(), headers=many)).status_code == 200
        words = {"subject": "Hello", "text": "A word."}
        sent = [await api.post("/messages/preview", json=words, headers=many) for _ in range(3)]
        assert [answer.status_code for answer in sent] == [200, 200, 429]
        assert (await api.post("/messages/preview", json=words, headers=store.auth)).status_code == 200
        files = [
            await api.get("/leaderboard", params=store.board(), headers=many | {"Accept": "text/csv"}) for _ in "ab"
        ]
        assert [answer.status_code for answer in files] == [200, 429]
        granted = {"sources": [store.source], "operations": ["board"], "requests_per_minute": 60}
        made_here = await api.post("/account/tokens", json=granted, headers=store.auth)
        assert made_here.json()["requests_per_minute"] == 50


async def test_what_counts_the_requests_of_tokens_is_deleted_later(database, api, store, clock, sql):
    app = create_app(database, fair_use=FairUse(), clock=clock)
    auth = await token(store)
    async with serving(app) as url, httpx.AsyncClient(base_url=url) as limited:
        assert (await limited.get("/leaderboard", params=store.board(), headers=auth)).status_code == 200
    clock.now = None
    await work_once(database, clock)
    assert await sql.fetchval("SELECT count(*) FROM token_windows") == 1
    await sql.execute("UPDATE token_windows SET began_at = began_at - interval '2 hours'")
    await work_once(database, clock)
    assert await sql.fetchval("SELECT count(*) FROM token_windows") == 0


async def test_a_remembered_token_needs_no_more_statements_than_a_key(api, store, shown, statements):
    auth = await token(store)
    ran = []
    for each in (store.auth, auth):
        await api.get("/leaderboard", params=store.board(**WHOLE), headers=each)
        with statements.during() as some:
            await api.get("/leaderboard", params=store.board(**WHOLE), headers=each)
        ran.append(some)
    assert ran[0] == ran[1]


async def test_no_token_is_logged(api, store):
    with structlog.testing.capture_logs() as lines:
        answer = await made(store)
        text = answer.json()["token"]
        await api.get("/leaderboard", params=store.board(), headers=bearer(text))
        await api.get("/leaderboard", params=store.board(), headers=bearer(text[:-1] + "?"))
    told = str(lines)
    assert "/account/tokens" in told
    assert "account_id" in told
    assert not [part for part in text.split(".") if part in told]
