"""Who may call what: keys, scopes, the operator, and the wall between accounts."""

import asyncio
import re

import httpx
import pytest
from answers import CANARY, operations, problem
from conftest import serving
from every_operation import call, requests
from postal import customer as person
from postal import queued, set_sender
from shop import OPERATOR

from app.accounts import access
from app.accounts.api_key import account_of, fresh_key
from app.main import create_app

pytestmark = pytest.mark.usefixtures("midday")


@pytest.fixture(autouse=True)
def guesses_are_answered_at_once(monkeypatch):
    monkeypatch.setattr(access, "WRONG_KEY_SECONDS", 0.0)


OPERATOR_AUTH = {"Authorization": f"Bearer {OPERATOR}"}
SCOPES = ("read", "write", "send", "admin")

PERMISSIONS = {
    "createAccount": "operator",
    "changeAccount": "operator",
    "listAccounts": "operator",
    "readAccountAsOperator": "operator",
    "createKeyAsOperator": "operator",
    "readAuditAsOperator": "operator",
    "readAudit": "admin",
    "grantDomain": "operator",
    "addDomain": "admin",
    "listDomains": "admin",
    "verifyDomain": "admin",
    "removeDomain": "admin",
    "readAccount": "any",
    "listKeys": "admin",
    "createKey": "admin",
    "revokeKey": "admin",
    "createToken": "any",
    "deleteAccount": "operator",
    "readAccountDeletion": "operator",
    "createAudience": "write",
    "readAudience": "read",
    "changeAudience": "write",
    "deleteAudience": "write",
    "listAudiences": "read",
    "connectSource": "write",
    "listSources": "read",
    "readSource": "read",
    "changeSource": "write",
    "readSetup": "read",
    "listInbox": "read",
    "replayDelivery": "write",
    "receiveWebhook": None,
    "deleteSource": "write",
    "readSourceDeletion": "read",
    "storeOrders": "write",
    "listOrders": "read",
    "readOrder": "read",
    "deleteOrder": "write",
    "importOrders": "write",
    "listImports": "read",
    "readImport": "read",
    "readLeaderboard": "read",
    "exportLeaderboard": "read",
    "readLeaderboardOptions": "read",
    "readVips": "read",
    "exportVips": "read",
    "previewVips": "read",
    "findCustomers": "read",
    "readCustomer": "read",
    "exportCustomer": "read send",
    "changeCustomer": "write",
    "eraseCustomer": "write",
    "storeCustomers": "write",
    "mergeCustomer": "write",
    "listSuppressions": "read",
    "exportSuppressions": "read",
    "readSuppression": "read",
    "importSuppressions": "write",
    "suppressAddress": "write",
    "liftSuppression": "write",
    "changeOwnAccount": "admin",
    "sendMessage": "send",
    "sendMessages": "send",
    "previewMessage": "send",
    "listTemplates": "send",
    "listMessages": "send",
    "readMessage": "send",
    "cancelMessage": "send",
    "showUnsubscribe": None,
    "unsubscribe": None,
    "reportMail": None,
    "readLiveness": None,
    "readReadiness": None,
    "readVersion": None,
    "readMetrics": None,
    "readProblem": None,
}
"""Every operation and what it asks of a key."""

TOKENS = {
    "readLeaderboard": "board",
    "exportLeaderboard": "board",
    "readLeaderboardOptions": "board",
    "readVips": "vips",
    "exportVips": "vips",
    "previewVips": "vips",
    "findCustomers": "profile",
    "readCustomer": "profile",
    "sendMessage": "message",
    "previewMessage": "message",
    "listTemplates": "message",
}
"""Every operation that admits a browser token, and what the token must name."""

PAID = {"sendMessage", "sendMessages", "previewMessage"}
"""What only a paid plan may call: a free one is told so before anything else is looked at."""

IDS = {
    ("changeAccount", "path", "id"): "acc",
    ("readAccountAsOperator", "path", "id"): "acc",
    ("createKeyAsOperator", "path", "id"): "acc",
    ("readAuditAsOperator", "path", "id"): "acc",
    ("grantDomain", "path", "id"): "acc",
    ("deleteAccount", "path", "id"): "acc",
    ("readAccountDeletion", "path", "id"): "acc",
    ("revokeKey", "path", "id"): "key",
    ("readAudience", "path", "id"): "aud",
    ("changeAudience", "path", "id"): "aud",
    ("deleteAudience", "path", "id"): "aud",
    ("listSources", "query", "audience"): "aud",
    ("connectSource", "body", "audience"): "aud",
    ("readSource", "path", "id"): "src",
    ("changeSource", "path", "id"): "src",
    ("listInbox", "path", "id"): "src",
    ("readSetup", "path", "id"): "src",
    ("replayDelivery", "path", "id"): "src",
    ("replayDelivery", "path", "delivery"): "inb",
    ("deleteSource", "path", "id"): "src",
    ("readSourceDeletion", "path", "id"): "src",
    ("storeOrders", "path", "id"): "src",
    ("listOrders", "path", "id"): "src",
    ("listOrders", "query", "customer"): "cus",
    ("readOrder", "path", "id"): "src",
    ("deleteOrder", "path", "id"): "src",
    ("importOrders", "path", "id"): "src",
    ("listImports", "path", "id"): "src",
    ("readImport", "path", "id"): "src",
    ("readImport", "path", "import_id"): "imp",
    ("readLeaderboard", "query", "audience"): "aud",
    ("readLeaderboard", "query", "source"): "src",
    ("readLeaderboard", "query", "around"): "cus",
    ("readVips", "query", "audience"): "aud",
    ("readVips", "query", "source"): "src",
    ("exportLeaderboard", "query", "audience"): "aud",
    ("exportLeaderboard", "query", "source"): "src",
    ("exportVips", "query", "audience"): "aud",
    ("exportVips", "query", "source"): "src",
    ("previewVips", "query", "audience"): "aud",
    ("previewVips", "query", "source"): "src",
    ("findCustomers", "query", "source"): "src",
    ("storeCustomers", "path", "id"): "src",
    ("mergeCustomer", "path", "id"): "cus",
    ("readCustomer", "path", "id"): "cus",
    ("exportCustomer", "path", "id"): "cus",
    ("changeCustomer", "path", "id"): "cus",
    ("eraseCustomer", "path", "id"): "cus",
    ("sendMessage", "body", "customer"): "cus",
    ("previewMessage", "body", "customer"): "cus",
    ("listMessages", "query", "customer"): "cus",
    ("readMessage", "path", "id"): "msg",
    ("cancelMessage", "path", "id"): "msg",
}
"""Every place where an operation takes an id."""

NAMES_OF_IDS = {"id", "audience", "source", "around", "customer"}
NO_IDS = {
    ("readProblem", "path", "slug"),
    ("verifyDomain", "path", "domain"),
    ("removeDomain", "path", "domain"),
    ("readOrder", "path", "order_id"),
    ("deleteOrder", "path", "order_id"),
    ("readSuppression", "path", "address"),
    ("suppressAddress", "path", "address"),
    ("liftSuppression", "path", "address"),
    ("showUnsubscribe", "path", "token"),
    ("unsubscribe", "path", "token"),
    ("reportMail", "path", "provider"),
    ("receiveWebhook", "path", "source"),
    ("receiveWebhook", "path", "platform"),
}


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


async def new_key(api, store, *scopes: str) -> str:
    answer = await api.post("/account/keys", json={"name": "one", "scopes": scopes}, headers=store.auth)
    assert answer.status_code == 201, answer.text
    return answer.json()["key"]


# ---------------------------------------------------------------- every operation


async def test_every_operation_is_listed_here_with_the_scope_that_the_document_tells(document):
    told = {operation["operationId"]: operation.get("x-scope") for _, _, operation in operations(document)}
    schemes = {None: [], "operator": [{"operatorKey": []}]}
    secured = {operation["operationId"]: operation["security"] for _, _, operation in operations(document)}
    admitting = {operation["operationId"]: operation.get("x-token") for _, _, operation in operations(document)}

    assert told == PERMISSIONS
    assert admitting == dict.fromkeys(PERMISSIONS) | TOKENS
    assert secured == {
        name: schemes.get(scope, [{"apiKey": []}, *([{"browserToken": []}] if name in TOKENS else [])])
        for name, scope in PERMISSIONS.items()
    }


@pytest.mark.parametrize("plan", ["free", "paid"])
async def test_every_operation_lets_in_exactly_the_keys_that_may(api, open_store, document, plan):
    store = await open_store(plan=plan)
    auths = {scope: bearer(await new_key(api, store, *scope.split())) for scope in (*SCOPES, "read send")}
    wrong = store.key[:-1] + ("a" if store.key[-1] != "a" else "b")
    auths |= {"none": {}, "operator": OPERATOR_AUTH, "wrong": bearer(wrong)}
    found = {}
    for method, path, operation in operations(document):
        name = operation["operationId"]
        for who, auth in auths.items():
            answer = await call(api, method, path, requests(store).get(name, {}), auth)
            assert answer.status_code < 500, f"{name} {answer.text}"
            found[name, who] = answer.status_code if answer.status_code in {401, 403} else "in"

    def expected(name: str, permission: str | None, who: str) -> object:
        scopes = {*who.split()} & {*SCOPES}
        if name in PAID and plan == "free" and scopes:
            return 403
        if permission is None or permission == who:
            return "in"
        if permission == "operator" or not scopes:
            return 401
        if name == "createToken":  # for a board, which it takes `read` to see
            return "in" if "read" in scopes else 403
        return "in" if permission == "any" or {*permission.split()} <= scopes else 403

    assert found == {(name, who): expected(name, scope, who) for name, scope in PERMISSIONS.items() for who in auths}


async def test_who_is_not_let_in_is_told_so_before_the_body_or_the_query_is_looked_at(api, open_store, document):
    store = await open_store()
    no_scope = {scope: bearer(await new_key(api, store, scope)) for scope in ("read", "write")}
    bad = {"content": b"{" * 10, "params": {CANARY: "1"}, "headers": {"Content-Type": "text/odd"}}
    for method, path, operation in operations(document):
        permission = PERMISSIONS[operation["operationId"]]
        if permission is None:
            continue
        ids = {
            "path": {"id": "x", "order_id": "%00", "domain": "%00", "address": "%00", "delivery": "x", "import_id": "x"}
        }
        answer = problem(await call(api, method, path, bad | ids, {}), 401, "key_required")
        assert answer["detail"]
        if permission not in {"any", "operator"}:
            other = no_scope["write" if permission != "write" else "read"]
            problem(await call(api, method, path, bad | ids, other), 403, "scope_required")


async def test_every_place_that_takes_an_id_is_listed_here(document):
    places = set()
    for _, _, operation in operations(document):
        name = operation["operationId"]
        places |= {(name, each["in"], each["name"]) for each in operation.get("parameters", []) if each["in"] == "path"}
        places |= {(name, p["in"], p["name"]) for p in operation.get("parameters", []) if p["name"] in NAMES_OF_IDS}
        content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
        schema = document["components"]["schemas"].get(content.get("schema", {}).get("$ref", "").rpartition("/")[2], {})
        places |= {(name, "body", field) for field in schema.get("properties", {}) if field in NAMES_OF_IDS}
    assert places - NO_IDS == set(IDS)


async def everything_of(sql, account: str) -> dict[str, str]:
    """All that is stored of an account."""
    tables = await sql.fetch("SELECT table_name FROM information_schema.columns WHERE column_name = 'account_id'")
    number = int(account.removeprefix("acc_"))
    return {
        table: await sql.fetchval(
            f"SELECT json_agg(t ORDER BY t::text)::text FROM {table} AS t WHERE account_id = $1", number
        )
        for (table,) in tables
    }


async def test_another_accounts_id_an_unknown_one_and_a_malformed_one_look_the_same(api, open_store, document, sql):
    mine, theirs = await open_store(), await open_store()
    for store in (mine, theirs):
        await store.sold(("ada", "10.00"))
        await set_sender(store)
    message = await queued(theirs, await person(theirs, "bea"))
    customer = (await theirs.ask(time_frame="all_time"))["items"][0]["customer"]["id"]
    me = (await api.get("/account", headers=theirs.auth)).json()
    foreign = {"acc": None, "key": me["key"], "aud": theirs.audience, "src": theirs.source, "cus": customer}
    imported = (await theirs.load(b"{}\n", "application/x-ndjson")).json()["id"]
    foreign |= {"msg": message, "inb": None, "imp": imported}
    before = await everything_of(sql, theirs.account)
    calls = {operation["operationId"]: (method, path) for method, path, operation in operations(document)}
    for (name, place, field), prefix in IDS.items():
        tried = [f"{prefix}_987654321", f"{prefix}_", f"{prefix}_0", "x", "zzz_1", f"{prefix}_{2**63}", "%00", "'"]
        tried += [foreign[prefix]] if foreign[prefix] else []
        bodies = []
        for value in tried:
            request = requests(mine).get(name, {})
            part = {"path": "path", "query": "params", "body": "json"}[place]
            request |= {part: request.get(part, {}) | {field: value}}
            auth = OPERATOR_AUTH if PERMISSIONS[name] == "operator" else mine.auth
            answer = await call(api, *calls[name], request, auth)
            assert answer.status_code == 404, f"{name} {field}={value}: {answer.status_code} {answer.text}"
            bodies.append({member: value for member, value in answer.json().items() if member != "request_id"})
        assert all(body == bodies[0] for body in bodies), f"{name} {field}: {bodies}"
    assert await everything_of(sql, theirs.account) == before


async def test_lists_hold_only_what_is_of_the_account(api, open_store):
    mine, theirs = await open_store(), await open_store()
    for path in ("/audiences", "/sources", "/account/keys"):
        ids = [
            {row["id"] for row in (await api.get(path, headers=store.auth)).json()["items"]} for store in (mine, theirs)
        ]
        assert all(len(each) == 1 for each in ids)
        assert not ids[0] & ids[1]


async def test_ids_of_one_account_that_do_not_belong_together_are_404(api, open_store):
    one = await open_store()
    two = await open_store(beside=one)
    mixed = {"audience": one.audience, "source": two.source}
    problem(await api.get("/leaderboard", params=mixed, headers=one.auth), 404, "unknown_source")
    await one.sold(("ada", "1.00"))
    customer = (await one.ask(time_frame="all_time"))["items"][0]["customer"]["id"]
    around = two.board(time_frame="all_time", around=customer)
    problem(await api.get("/leaderboard", params=around, headers=two.auth), 404, "customer_not_ranked")


# ---------------------------------------------------------------- keys


async def test_a_key_is_shown_once_and_stored_as_a_hash(api, open_store, sql):
    store = await open_store()

    made = await api.post("/account/keys", json={"name": "front", "scopes": ["write", "read"]}, headers=store.auth)
    listed = await api.get("/account/keys", headers=store.auth)

    key = made.json()["key"]
    assert re.fullmatch(r"llb_[1-9][0-9]*_[0-9A-Za-z]{49}", key)
    assert made.json()["scopes"] == ["read", "write"]
    assert [set(row) for row in listed.json()["items"]] == [{"id", "name", "scopes", "created_at"}] * 2
    assert key not in listed.text
    assert key.split("_")[2] not in str(await everything_of(sql, store.account))
    me = (await api.get("/account", headers=bearer(key))).json()
    assert (me["id"], me["key"], me["scopes"]) == (store.account, made.json()["id"], ["read", "write"])


async def test_a_revoked_key_opens_nothing_after_the_remembered_seconds(api, open_store, monkeypatch):
    assert access.KEY_REMEMBERED_SECONDS <= 5
    monkeypatch.setattr(access, "KEY_REMEMBERED_SECONDS", 0.3)
    store = await open_store()
    key = await new_key(api, store, "read")
    key_id = (await api.get("/account", headers=bearer(key))).json()["key"]

    assert (await api.delete(f"/account/keys/{key_id}", headers=store.auth)).status_code == 204
    await asyncio.sleep(0.35)

    problem(await api.get("/audiences", headers=bearer(key)), 401, "key_required")
    assert key_id not in (await api.get("/account/keys", headers=store.auth)).text
    problem(await api.delete(f"/account/keys/{key_id}", headers=store.auth), 404, "unknown_key")


async def test_the_last_key_that_can_make_keys_stays(api, open_store):
    store = await open_store()
    first = (await api.get("/account", headers=store.auth)).json()["key"]
    await new_key(api, store, "read", "write", "send")

    problem(await api.delete(f"/account/keys/{first}", headers=store.auth), 409, "last_admin_key")
    second = await new_key(api, store, "admin")
    assert (await api.delete(f"/account/keys/{first}", headers=store.auth)).status_code == 204
    second_id = (await api.get("/account", headers=bearer(second))).json()["key"]
    problem(await api.delete(f"/account/keys/{second_id}", headers=bearer(second)), 409, "last_admin_key")


async def test_of_the_last_two_admin_keys_revoked_at_once_one_stays(api, open_store, sql):
    store = await open_store()
    other = await new_key(api, store, "admin")
    ids = [(await api.get("/account", headers=auth)).json()["key"] for auth in (store.auth, bearer(other))]

    answers = await asyncio.gather(*(api.delete(f"/account/keys/{each}", headers=store.auth) for each in ids))

    assert sorted(answer.status_code for answer in answers) == [204, 409]
    assert await sql.fetchval("SELECT count(*) FROM api_keys WHERE revoked_at IS NULL") == 1


async def test_a_key_of_a_wrong_form_is_refused_without_a_statement(api, open_store, statements):
    store = await open_store()
    key = store.key
    swapped = key[:-8] + key[-7] + key[-8] + key[-6:] if key[-7] != key[-8] else key[:-1]
    wrong = [
        "llb_", key[:-1], key + "0", key[:-1] + ("0" if key[-1] != "0" else "1"), swapped, key.upper(),
        key.replace("llb", "xxx"), key.replace("_", "-"), f"llb_0{key[4:]}", "llb_" + "1" * 30 + key[5:], "x" * 10_000,
        OPERATOR,
    ]  # fmt: skip
    with statements.during() as ran:
        for each in wrong:
            answer = await api.get("/account", headers=bearer(each))
            problem(answer, 401, "key_required")
            assert answer.headers["WWW-Authenticate"] == 'Bearer realm="loyalty-leaderboard"'
    assert ran == []
    problem(await api.get("/account", headers=bearer(fresh_key(1))), 401, "key_required")


async def test_other_schemes_and_headers_that_are_not_ascii_are_401(api, open_store):
    store = await open_store()
    for header in (
        store.key.encode(), b"Basic " + store.key.encode(), b"Token " + store.key.encode(), b"Bearer", b"",
        "Bearer llb_1_é".encode(), b"Bearer \xff\xfe", b"Bearer " + "١".encode() + store.key.encode(),
        b"Bearer " + store.key.encode() + b", Bearer x", "Bearer llb_²_".encode() + store.key[6:].encode(),
    ):  # fmt: skip
        for method, path in (("GET", "/account"), ("POST", "/accounts")):
            answer = await api.request(method, path, headers={b"Authorization": header})
            problem(answer, 401, "key_required")
    for scheme in ("bearer", "BEARER"):
        assert (await api.get("/account", headers={"Authorization": f"{scheme} {store.key}"})).status_code == 200


async def test_a_key_in_the_query_opens_nothing(api, open_store):
    store = await open_store()
    for name in ("api_key", "access_token", "key"):
        problem(await api.get("/account", params={name: store.key}), 401, "key_required")


def test_a_checksum_finds_every_single_typo():
    key = fresh_key(42)
    assert account_of(key) == 42
    for place in range(len(key)):
        typo = key[:place] + ("x" if key[place] != "x" else "y") + key[place + 1 :]
        assert account_of(typo) is None


# ---------------------------------------------------------------- the operator


async def test_only_the_operator_opens_accounts_and_changes_plans(api, open_account):
    account, key = await open_account("free")

    problem(await api.post("/accounts", json={"name": "x"}, headers=bearer(key)), 401, "key_required")
    problem(await api.patch(f"/accounts/{account}", json={"plan": "paid"}, headers=bearer(key)), 401, "key_required")
    changed = await api.patch(f"/accounts/{account}", json={"plan": "paid"}, headers=OPERATOR_AUTH)

    assert (changed.status_code, changed.json()["plan"]) == (200, "paid")
    assert (await api.get("/account", headers=bearer(key))).json()["plan"] == "paid"


async def test_without_an_operator_key_nobody_is_the_operator(database):
    async with serving(create_app(database)) as url, httpx.AsyncClient(base_url=url) as api:
        for header in ({}, bearer("x"), bearer("None"), OPERATOR_AUTH):
            problem(await api.post("/accounts", json={"name": "x"}, headers=header), 401, "key_required")
