"""Headers of answers: each that is sent is told by the document, and each that the document promises is sent."""

import httpx
import pytest
from answers import operations
from conftest import serving, with_asyncpg
from every_operation import call, requests
from postal import key, set_sender
from shop import OPERATOR, order

from app.accounts import access
from app.accounts.rate_limits import Quotas
from app.admission import FairUse
from app.database.pools import Database
from app.main import create_app

pytestmark = pytest.mark.usefixtures("midday")

EVERYWHERE = {
    *("content-length", "content-type", "date", "server", "cache-control", "vary", "content-encoding"),
    *("x-content-type-options", "referrer-policy", "content-security-policy", "transfer-encoding", "allow"),
}
"""What HTTP itself needs, and what is the same in every answer."""
ALWAYS = {"X-Request-Id", "RateLimit", "RateLimit-Policy", "ETag", "Content-Language", "Content-Disposition"}
"""What is sent with every good answer that the document says has it."""


@pytest.fixture(autouse=True)
def guesses_are_answered_at_once(monkeypatch):
    monkeypatch.setattr(access, "WRONG_KEY_SECONDS", 0.0)


@pytest.fixture
def told(document):
    """The headers that the document tells, by operation and status."""
    return {
        (operation["operationId"], int(status)): set(response["headers"])
        for _, _, operation in operations(document)
        for status, response in operation["responses"].items()
    }


@pytest.fixture
async def counting(urls, clock):
    """A client of a service that counts requests."""
    database = Database(with_asyncpg(urls.write), with_asyncpg(urls.read), pool_size=4, pool_wait_seconds=20)
    fair_use = FairUse(quotas=Quotas(10_000, 10_000, 10_000))
    app = create_app(database, admin_key=OPERATOR, clock=clock, fair_use=fair_use)
    async with serving(app) as url, httpx.AsyncClient(base_url=url, timeout=60) as client:
        yield client
    await database.close()


def sent(answer) -> set[str]:
    return {name for name in answer.headers if name.lower() not in EVERYWHERE}


async def test_answers_of_every_operation_carry_the_headers_that_the_document_tells(
    counting, open_store, document, told
):
    store = await open_store()
    await store.sold(("ada", "10.00"))
    for method, path, operation in operations(document):
        name = operation["operationId"]
        for auth in ({}, store.auth, {"Authorization": f"Bearer {OPERATOR}"}):
            answer = await call(counting, method, path, requests(store).get(name, {}), auth)
            known = told.get((name, answer.status_code))
            assert known is not None, f"{name} {answer.status_code} {answer.text}"
            lower = {each.lower() for each in known}
            assert sent(answer) <= lower, f"{name} {answer.status_code}"
            assert answer.headers["X-Request-Id"]
            assert ("WWW-Authenticate" in answer.headers) == ("WWW-Authenticate" in known), name
            if answer.is_success:
                missing = {each for each in known & ALWAYS if each not in answer.headers}
                assert missing == set(), f"{name} {answer.status_code}"


async def test_headers_that_depend_on_the_request_are_told_where_they_are_sent(counting, open_store, told):
    store = await open_store()
    await store.sold(("ada", "10.00"), ("bea", "5.00"))
    await set_sender(store)
    await store.send(order("named", "ada", email="ada@example.test"))
    customer = (await store.ask(time_frame="all_time"))["items"][0]["customer"]["id"]
    page = await counting.get("/leaderboard", params=store.board(time_frame="all_time", limit=1), headers=store.auth)
    assert {"Link", "ETag"} <= told["readLeaderboard", 200]
    assert page.headers["Link"].endswith('rel="next"')
    known = store.auth | {"If-None-Match": page.headers["ETag"]}
    again = await counting.get("/leaderboard", params=store.board(time_frame="all_time", limit=1), headers=known)
    assert (again.status_code, again.headers["ETag"]) == (304, page.headers["ETag"])
    assert sent(again) == {each.lower() for each in told["readLeaderboard", 304]}
    new = {"customer": customer, "subject": "Hello", "text": "Hello", "kind": "transactional"}
    once = store.auth | key()
    first, second = [await counting.post("/messages", json=new, headers=once) for _ in range(2)]
    assert (first.status_code, second.status_code) == (202, 202)
    assert sent(second) - sent(first) == {"idempotent-replayed"}
    assert sent(second) == {each.lower() for each in told["sendMessage", 202]}
    file = await counting.get("/segments/vip/export", params=store.board(), headers=store.auth)
    assert sent(file) == {each.lower() for each in told["exportVips", 200]}


def test_every_operation_that_counts_requests_tells_so(document, told):
    for _, _, operation in operations(document):
        name, counted = operation["operationId"], operation.get("x-scope", "operator") != "operator"
        assert ("RateLimit" in set().union(*(told[name, int(each)] for each in operation["responses"]))) == counted
        assert not operation["security"] or "Retry-After" in told[name, 429]
        asks = {each["name"] for each in operation["parameters"] if each["in"] == "header"}
        assert ("304" in operation["responses"]) == ("If-None-Match" in asks)
