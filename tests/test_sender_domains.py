"""Sender domains and daily caps: who may write as whom, and how much on a day."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest
from answers import problem
from conftest import MANY, NOW, UNLIMITED, serving
from name_server import NameServer, name_server
from postal import FAST, SENDER, customer, customers, deliver, key, post, queued, seen, set_sender, sink
from shop import OPERATOR

from app import mailing
from app.accounts.sender_domains import DomainPolicy
from app.accounts.txt_records import DnsServer
from app.admission import FairUse
from app.main import create_app
from app.messages.daily_caps import DailyCaps
from app.settings import SettingsError, read_settings

pytestmark = pytest.mark.usefixtures("midday")

OPERATOR_AUTH = {"Authorization": f"Bearer {OPERATOR}"}
STRICT = replace(FAST, domains_must_be_verified=True)
CAPS = DailyCaps(marketing=3, transactional=1)


@pytest.fixture
def pool_size() -> int:
    """Two accounts verify at the same time."""
    return 4


@pytest.fixture
async def names() -> AsyncIterator[NameServer]:
    async with name_server() as server:
        yield server


@pytest.fixture
async def api(database, clock, names) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a service whose senders need verified domains, and that has daily caps."""
    policy = DomainPolicy(must_be_verified=True, records=DnsServer("127.0.0.1", names.port))
    use = FairUse(MANY, UNLIMITED, CAPS)
    app = create_app(database, admin_key=OPERATOR, clock=clock, fair_use=use, domains=policy)
    async with serving(app) as url, httpx.AsyncClient(base_url=url, timeout=60) as client:
        yield client


async def added(store, domain="shop.example"):
    answer = await store.api.post("/account/domains", json={"domain": domain}, headers=store.auth)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def verify(store, domain="shop.example"):
    return await store.api.post(f"/account/domains/{domain}/verify", headers=store.auth)


async def granted(store, domain="shop.example"):
    path = f"/accounts/{store.account}/domains"
    return await store.api.post(path, json={"domain": domain}, headers=OPERATOR_AUTH)


async def verified_store(open_store, names):
    store = await open_store()
    names.publish((await added(store))["record"])
    assert (await verify(store)).status_code == 200
    await set_sender(store)
    return store


# ---------------------------------------------------------------- proving a domain


async def test_a_domain_is_proven_by_a_record_in_its_dns(open_store, names):
    store = await open_store()
    domain = await added(store)
    assert (domain["domain"], domain["status"], domain["verified_at"]) == ("shop.example", "pending", None)
    assert domain["record"]["name"] == "_loyalty-leaderboard.shop.example"

    problem(await verify(store), 409, "domain_not_proven")
    names.texts[domain["record"]["name"]] = ["v=spf1 -all", domain["record"]["value"] + "x"]
    problem(await verify(store), 409, "domain_not_proven")
    names.publish(domain["record"])
    answer = await verify(store)

    assert (answer.status_code, answer.json()["status"]) == (200, "verified"), answer.text
    names.texts.clear()
    assert (await verify(store)).json() == answer.json(), "what is verified stays so"
    assert (await added(store)) == answer.json(), "adding it again changes nothing"
    listed = await store.api.get("/account/domains", headers=store.auth)
    assert listed.json() == {"items": [answer.json()], "next_cursor": None}
    audit = (await store.api.get("/account/audit", headers=store.auth)).json()["items"]
    assert (audit[0]["action"], audit[0]["about"]) == ("domain_verified", {"domain": "shop.example"})


async def test_without_an_answer_of_the_dns_nothing_is_verified(open_store, names):
    store = await open_store()
    await added(store)
    names.is_broken = True

    answer = await verify(store)

    problem(answer, 503, "service_unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    assert (await added(store))["status"] == "pending"


@pytest.mark.parametrize(
    ("written", "domain"),
    [("Shop.Example.", "shop.example"), ("bücher.example", "xn--bcher-kva.example"), (" a.b.example ", "a.b.example")],
)
async def test_a_domain_is_known_as_the_dns_writes_it(open_store, written, domain):
    store = await open_store()
    assert (await added(store, written))["domain"] == domain
    problem(await verify(store, written.strip()), 409, "domain_not_proven")


@pytest.mark.parametrize(
    "wrong", ["", "example", "a b.example", "x@shop.example", "-a.example", "a..b", "a" * 64 + ".example"]
)
async def test_what_is_no_domain_is_refused(open_store, wrong):
    store = await open_store()
    problem(
        await store.api.post("/account/domains", json={"domain": wrong}, headers=store.auth), 422, "invalid_request"
    )


async def test_an_account_has_at_most_a_hundred_domains(open_store):
    store = await open_store()
    for number in range(100):
        await added(store, f"shop{number:03}.example")
    one_more = await store.api.post("/account/domains", json={"domain": "shop.example"}, headers=store.auth)
    problem(one_more, 409, "too_many_domains")

    page = (await store.api.get("/account/domains", params={"limit": 60}, headers=store.auth)).json()
    rest = {"limit": 60, "cursor": page["next_cursor"]}
    more = (await store.api.get("/account/domains", params=rest, headers=store.auth)).json()
    found = [each["domain"] for each in (*page["items"], *more["items"])]
    assert found == [f"shop{number:03}.example" for number in range(100)]


# ---------------------------------------------------------------- one account each


async def test_a_domain_belongs_to_one_account_and_nobody_learns_to_which(open_store, names):
    owner = await verified_store(open_store, names)
    other = await open_store()
    names.publish((await added(other))["record"])

    for answer in (await verify(other), await granted(other)):
        problem(answer, 409, "domain_taken")
        assert owner.account not in answer.text
    assert (await other.api.delete("/account/domains/shop.example", headers=other.auth)).status_code == 204
    problem(await other.api.delete("/account/domains/shop.example", headers=other.auth), 404, "unknown_domain")

    assert (await owner.api.delete("/account/domains/shop.example", headers=owner.auth)).status_code == 204
    assert (await granted(other)).json()["status"] == "verified"


async def test_of_two_accounts_that_verify_at_the_same_time_one_gets_the_domain(open_store, names):
    stores = [await open_store() for _ in range(4)]
    for store in stores:
        names.publish((await added(store))["record"])

    answers = await asyncio.gather(*map(verify, stores))

    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]


async def test_the_operator_may_grant_a_domain_without_the_dns(open_store):
    store = await open_store()

    answer = await granted(store)

    assert (answer.status_code, answer.json()["status"]) == (201, "verified")
    await set_sender(store)
    audit = (await store.api.get("/account/audit", headers=store.auth)).json()["items"]
    assert [(entry["by"], entry["action"]) for entry in audit[1:2]] == [("operator", "domain_granted")]
    unknown = await store.api.post("/accounts/acc_999/domains", json={"domain": "x.example"}, headers=OPERATOR_AUTH)
    problem(unknown, 404, "unknown_account")


# ---------------------------------------------------------------- senders


async def test_a_domain_is_granted_though_the_first_account_was_deleted(open_store):
    first, second = await open_store(), await open_store()
    assert (await first.api.delete(f"/accounts/{first.account}", headers=OPERATOR_AUTH)).status_code == 202

    answer = await granted(second)

    assert answer.status_code == 201, answer.text


async def test_a_sender_is_set_only_with_a_verified_domain(open_store, names):
    store = await open_store()
    sender = {"name": "Shop", "email": "hello@shop.example"}
    new = {"audience": store.audience, "name": "More", "platform": "custom", "currency": "EUR", "time_zone": "UTC"}
    attempts = (
        ("PATCH", "/account", {"sender": SENDER}),
        ("PATCH", f"/sources/{store.source}", {"sender": sender}),
        ("POST", "/sources", new | {"sender": sender}),
    )
    for method, path, body in attempts:
        answer = await store.api.request(method, path, json=body, headers=store.auth)
        problem(answer, 409, "sender_domain_not_verified")
    assert (await store.api.get("/account", headers=store.auth)).json()["sender"] is None
    assert (await store.api.get(f"/sources/{store.source}", headers=store.auth)).json()["sender"] is None
    assert len((await store.api.get("/sources", headers=store.auth)).json()["items"]) == 1

    names.publish((await added(store))["record"])
    await verify(store)

    for method, path, body in attempts:
        answer = await store.api.request(method, path, json=body, headers=store.auth)
        assert answer.status_code in {200, 201}, answer.text
    subdomain = sender | {"email": "hello@mail.shop.example"}
    answer = await store.api.patch(f"/sources/{store.source}", json={"sender": subdomain}, headers=store.auth)
    problem(answer, 409, "sender_domain_not_verified")


async def test_messages_from_a_domain_that_was_removed_wait_and_are_sent_once_it_is_back(
    open_store, names, database, clock, tmp_path
):
    store = await verified_store(open_store, names)
    ada = await customer(store, "ada")
    message = await queued(store, ada)
    await store.api.delete("/account/domains/shop.example", headers=store.auth)

    with sink(tmp_path) as smtp:
        await deliver(database, clock, smtp.url, STRICT)
        waiting = await seen(store, message)
        await granted(store)
        clock.now += timedelta(minutes=5)
        await deliver(database, clock, smtp.url, STRICT)
        assert [mail.recipient for mail in smtp.taken] == ["ada@example.test"]

    assert (waiting["status"], waiting["reason"]) == ("queued", "sender_domain_not_verified")
    assert waiting["next_attempt_at"] == "2026-03-18T12:05:00Z"
    assert ((sent := await seen(store, message))["status"], sent["reason"]) == ("sent", None)


async def test_what_has_waited_for_its_domain_for_a_day_fails(open_store, names, database, clock, tmp_path):
    store = await verified_store(open_store, names)
    message = await queued(store, await customer(store, "ada"))
    await store.api.delete("/account/domains/shop.example", headers=store.auth)
    clock.now = NOW + timedelta(days=1)

    with sink(tmp_path) as smtp:
        await deliver(database, clock, smtp.url, STRICT)
        assert smtp.taken == []

    failed = await seen(store, message)
    assert (failed["status"], failed["reason"]) == ("failed", "sender_domain_not_verified")


async def test_a_store_without_a_verified_domain_does_not_hold_up_another(open_store, names, database, clock, tmp_path):
    store = await verified_store(open_store, names)
    names.publish((await added(store, "other.example"))["record"])
    await verify(store, "other.example")
    other = await open_store(beside=store, name="Other", sender={"name": "Other", "email": "x@other.example"})
    await store.api.delete("/account/domains/other.example", headers=store.auth)
    waiting = await queued(other, await customer(other, "bea"))
    message = await queued(store, await customer(store, "ada"))

    with sink(tmp_path) as smtp:
        await deliver(database, clock, smtp.url, STRICT)

    assert [(await seen(store, each))["status"] for each in (waiting, message)] == ["queued", "sent"]


@pytest.mark.parametrize(
    ("environment", "must_be_verified"),
    [
        ({}, False),
        ({"MAIL_URL": "maildir:var/mail"}, False),
        ({"MAIL_URL": "smtp://relay.example"}, True),
        ({"MAIL_URL": "postmark://token", "SENDER_DOMAINS": "verified"}, True),
        ({"MAIL_URL": "postmark://token", "SENDER_DOMAINS": "any"}, False),
    ],
)
def test_domains_are_asked_for_where_mails_leave_the_machine(monkeypatch, environment, must_be_verified):
    for name in ("MAIL_URL", "SENDER_DOMAINS", "DNS_RESOLVER"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert mailing.domain_policy(read_settings()).must_be_verified is must_be_verified


@pytest.mark.parametrize(
    ("server", "expected"), [("127.0.0.1:5353", DnsServer("127.0.0.1", 5353)), ("[::1]:53", DnsServer("::1", 53))]
)
def test_the_dns_server_is_an_address_and_a_port(monkeypatch, server, expected):
    monkeypatch.setenv("DNS_RESOLVER", server)
    assert mailing.domain_policy(read_settings()).records == expected
    for wrong in ("dns.example:53", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:66000", "::1"):
        monkeypatch.setenv("DNS_RESOLVER", wrong)
        with pytest.raises(SettingsError, match="DNS_RESOLVER"):
            read_settings()


# ---------------------------------------------------------------- daily caps


async def test_an_account_queues_so_many_of_each_kind_on_a_day(open_store, names, sql, clock):
    store = await verified_store(open_store, names)
    ids = [*(await customers(store, "ada", "bea", "cyd", "dan")).values()]
    body = {"subject": "Hello", "text": "A word."}
    two = await store.api.post(
        "/messages/batch", json=body | {"to": {"customers": ids[:2]}}, headers=store.auth | key()
    )
    over = await store.api.post(
        "/messages/batch", json=body | {"to": {"customers": ids[2:]}}, headers=store.auth | key()
    )
    third = await post(store, ids[2])

    assert (two.json()["queued"], third.status_code) == (2, 202)
    for refused in (over, await post(store, ids[3])):
        problem(refused, 429, "daily_cap_reached")
        assert refused.headers["Retry-After"] == "43200", "until midnight UTC"
    assert (await post(store, ids[3], kind="transactional")).status_code == 202
    problem(await post(store, ids[3], kind="transactional"), 429, "daily_cap_reached")
    assert await sql.fetchval("SELECT count(*) FROM messages") == 4

    clock.now += timedelta(hours=12)
    assert (await post(store, ids[3])).status_code == 202


async def test_what_was_refused_or_repeated_does_not_count(open_store, names):
    store = await verified_store(open_store, names)
    ada = await customer(store, "ada")
    gone = await customer(store, "gone", marketing="unsubscribed")
    once = key()
    for _ in range(5):
        assert (await post(store, ada, once)).status_code == 202
        problem(await post(store, gone), 409, "recipient_not_messageable")
    assert [(await post(store, ada)).status_code for _ in range(3)] == [202, 202, 429]


async def test_many_at_once_never_exceed_the_cap(open_store, names, sql):
    store = await verified_store(open_store, names)
    ada = await customer(store, "ada")

    answers = await asyncio.gather(*(post(store, ada) for _ in range(12)))

    assert sorted(answer.status_code for answer in answers) == [202] * 3 + [429] * 9
    assert await sql.fetchval("SELECT count(*) FROM messages") == 3


async def test_a_template_is_never_transactional(open_store, names):
    store = await verified_store(open_store, names)
    ada = await customer(store, "ada", marketing="non_subscribed")
    words = {"template": "content_survey", "variables": {"link": "https://x.example"}, "kind": "transactional"}

    answer = problem(await post(store, ada, subject=None, text=None, **words), 422, "invalid_request")

    assert "marketing" in answer["errors"][0]["detail"]
