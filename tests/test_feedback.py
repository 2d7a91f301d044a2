"""Feedback: what recipients say by a link in a mail, and what providers report of it afterwards."""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import itertools
import json
import time
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode, urlsplit

import httpx
import pytest
from answers import problem
from conftest import NOW, serving, with_asyncpg
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from postal import (
    SITE,
    all_seen,
    customer,
    customers,
    deliver,
    delivering,
    has_taken,
    known,
    number_in,
    post,
    queued,
    queued_for_all,
    seen,
    set_sender,
    sink,
    somebody_waits,
    unsubscribe_path,
    until,
)
from provider_secrets import KEY, SECRETS
from shop import order
from sqlalchemy import text
from standardwebhooks import Webhook

from app.database.pools import Database
from app.mail.choose_mailer import READERS
from app.main import create_app
from app.messages.open_routes import FeedbackSource

pytestmark = pytest.mark.usefixtures("midday")

LOST = ("lost", "cancelled", "failed", "held")
SCRIPT = {f"{name}@example.test": ["taken, cut", "250"] for name in LOST}


def public(store):
    """Somebody without a key."""
    return httpx.AsyncClient(base_url=store.api.base_url)


BY_KEY = ("subscribed", "key_1")

# ---------------------------------------------------------------- unsubscribing

ONE_CLICK = {"List-Unsubscribe": "One-Click"}


async def test_the_link_in_a_mail_asks_and_its_button_unsubscribes(store, database, clock, smtp):
    ada = await customer(store, "ada")
    message = await queued(store, ada)
    await deliver(database, clock, smtp.url)
    (mail,) = smtp.taken
    link = urlsplit(mail.parsed["List-Unsubscribe"].strip("<>"))
    assert f"{link.scheme}://{link.netloc}" == SITE.url

    async with public(store) as somebody:
        for method in ("GET", "HEAD", "GET", "OPTIONS"):
            answer = await somebody.request(method, link.path)
            assert answer.status_code in {200, 405}
        assert await known(store, ada) == ("subscribed", [BY_KEY])
        shown = await somebody.get(link.path)
        assert '<form method="post"><button name="List-Unsubscribe" value="One-Click">' in shown.text
        assert "Ada&#x27;s shop" in shown.text
        for _ in range(2):
            done = await somebody.post(link.path, data=ONE_CLICK)
            assert (done.status_code, done.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
            assert "<form" not in done.text
        assert (await somebody.post(link.path)).status_code == 200
        for method in ("GET", "POST"):  # as counters of clicks and scanners change it
            changed = await somebody.request(method, f"{link.path}?utm_source=mail&utm_source=x&e=ada%40example.test")
            assert (changed.status_code, changed.headers["Content-Type"]) == (200, "text/html; charset=utf-8")

    assert await known(store, ada) == ("unsubscribed", [BY_KEY, ("unsubscribed", "unsubscribe")])
    assert (await post(store, ada)).json()["reason"] == "unsubscribed"
    assert (await seen(store, message))["status"] == "sent"


async def test_who_leaves_has_left_under_every_name_of_the_account_that_the_address_has(store, open_store, sql):
    beside, foreign = await open_store(beside=store), await open_store()
    shared = {"email": "family@example.test"}
    ada = await customer(store, "ada", **shared)
    also = [
        (store, await customer(store, "eve", marketing=None, **shared)),
        (beside, await customer(beside, "ada", **shared)),
    ]
    others = [(store, await customer(store, "bob")), (foreign, await customer(foreign, "ada", **shared))]
    board = {"audience": beside.audience, "source": beside.source, "time_frame": "all_time"}
    before = await beside.api.get("/leaderboard", params=board, headers=beside.auth)

    path = await unsubscribe_path(store, sql, ada, await queued(store, ada))
    for _ in range(2):
        assert (await store.api.post(path)).status_code == 200

    for where, each in [(store, ada), *also]:
        marketing, history = await known(where, each)
        assert (marketing, ("unsubscribed", "unsubscribe") in history) == ("unsubscribed", each == ada)
    for where, each in others:
        assert (await known(where, each))[0] == "subscribed"
    unchanged = {"If-None-Match": before.headers["ETag"]}
    assert (await beside.api.get("/leaderboard", params=board, headers=beside.auth | unchanged)).status_code == 200


async def test_the_pages_are_in_the_language_of_whoever_opens_them(store, sql):
    ada = await customer(store, "ada")
    path = await unsubscribe_path(store, sql, ada, await queued(store, ada))
    texts = {}
    for language in ("en", "de", "it", "es"):
        wish = {"Accept-Language": language}
        asked, done = await store.api.get(path, headers=wish), await store.api.post(path, headers=wish)
        lost = [await store.api.request(method, "/unsubscribe/x", headers=wish) for method in ("GET", "POST")]
        for answer, status in ((asked, 200), (done, 200), *((each, 404) for each in lost)):
            assert answer.status_code == status
            assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
            assert (answer.headers["Content-Language"], answer.headers["Vary"]) == (language, "Accept-Language")
            assert f'<html lang="{language}">' in answer.text
            assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        texts[language] = tuple(answer.text.partition("<h1>")[2] for answer in (asked, done, lost[0]))
    assert len({text for each in texts.values() for text in each}) == 12


async def test_a_link_that_we_did_not_write_changes_nothing(store, open_store, sql):
    other = await open_store()
    await set_sender(other)
    ada, bea = await customer(store, "ada"), await customer(other, "bea")
    mine = (await unsubscribe_path(store, sql, ada, await queued(store, ada))).rpartition("/")[2]
    theirs = (await unsubscribe_path(other, sql, bea, await queued(other, bea))).rpartition("/")[2]
    forged = {mine[:place] + ("A" if mine[place] != "A" else "B") + mine[place + 1 :] for place in range(0, 52, 3)}
    wrong = [
        *(forged | {mine[:-1], mine[1:], mine + "A", mine[:32] + theirs[32:], theirs[:32] + mine[32:]}),
        *(
            "A" * 52,
            "x",
            mine * 4,
            "%00",
            "%ff" * 52,
            "%F0%9F%92%8C",
            mine.lower(),
            f"%20{mine}",
            f"{mine}%0A",
            "A" * 5000,
        ),
    ]
    for token in wrong:
        for method in ("GET", "POST"):
            answer = await store.api.request(method, f"/unsubscribe/{token}")
            assert (answer.status_code, answer.headers["Content-Type"]) == (404, "text/html; charset=utf-8"), token
    for shop, who in ((store, ada), (other, bea)):
        assert await known(shop, who) == ("subscribed", [("subscribed", f"key_{number_in(shop.account)}")])


async def test_who_is_erased_may_still_follow_the_link(store, sql):
    ada = await customer(store, "ada")
    path = await unsubscribe_path(store, sql, ada, await queued(store, ada))
    await store.erase(ada)
    for _ in range(2):
        assert (await store.api.get(path)).status_code == 200
        assert (await store.api.post(path, data=ONE_CLICK)).status_code == 200
    assert await all_seen(store, status="queued") == {}


async def test_a_guest_who_became_a_customer_leaves_by_the_old_link_too(store, sql):
    await store.send(order("1", "ada"), order("2", None, email="guest@example.test"))
    rows = (await store.api.get("/customers", params={"source": store.source}, headers=store.auth)).json()["items"]
    guest = next(row["id"] for row in rows if row["email"] == "guest@example.test")
    heir = next(row["id"] for row in rows if row["id"] != guest)
    await store.agree(guest, "subscribed")
    path = await unsubscribe_path(store, sql, guest, await queued(store, guest))
    await store.send(order("3", "ada", email="guest@example.test"))
    assert await known(store, heir) == ("subscribed", [BY_KEY])

    assert (await store.api.post(path, data=ONE_CLICK)).status_code == 200

    assert await known(store, heir) == ("unsubscribed", [BY_KEY, ("unsubscribed", "unsubscribe")])


@pytest.mark.parametrize("provider", ["postmark"])
@pytest.mark.parametrize("by_the_link", [True, False])
async def test_who_leaves_while_a_guest_becomes_a_customer_has_left(
    store, sql, database, clock, smtp, hook, provider, by_the_link
):
    await store.send(order("1", "ada"), order("2", None, email="guest@example.test"))
    rows = (await store.api.get("/customers", params={"source": store.source}, headers=store.auth)).json()["items"]
    guest = next(row["id"] for row in rows if row["email"] == "guest@example.test")
    heir = next(row["id"] for row in rows if row["id"] != guest)
    await store.agree(guest, "subscribed")
    message = await queued(store, guest)
    await deliver(database, clock, smtp.url)
    path = await unsubscribe_path(store, sql, guest, message)
    complaint = report(provider, "complained", reference(store, message))

    async with sql.transaction():
        await sql.execute("SELECT FROM sources FOR UPDATE")
        merging = asyncio.create_task(store.post(order("3", "ada", email="guest@example.test")))
        await until(lambda: somebody_waits(sql))
        leaving = asyncio.create_task(store.api.post(path) if by_the_link else tell(hook, provider, complaint))
        await asyncio.sleep(0.3)  # until it has found the guest, and waits for its turn
    assert (await merging).status_code == 200
    await leaving

    assert (await known(store, heir))[0] == "unsubscribed"


async def test_an_address_that_bounces_stays_unusable_when_its_owner_leaves(store, sql):
    ada = await customer(store, "ada")
    path = await unsubscribe_path(store, sql, ada, await queued(store, ada))
    await store.agree(ada, "cleaned")
    for _ in range(2):
        assert (await store.api.post(path, data=ONE_CLICK)).status_code == 200
    assert await known(store, ada) == ("cleaned", [BY_KEY, ("unsubscribed", "unsubscribe")])


# ---------------------------------------------------------------- what providers report

EVENTS = {
    "postmark": {
        "delivered": {"RecordType": "Delivery"},
        "soft": {"RecordType": "Bounce", "Type": "SoftBounce"},
        "hard": {"RecordType": "Bounce", "Type": "HardBounce"},
        "complained": {"RecordType": "SpamComplaint"},
    },
    "sendgrid": {
        "delivered": {"event": "delivered"},
        "soft": {"event": "bounce", "type": "blocked"},
        "hard": {"event": "bounce", "type": "bounce"},
        "complained": {"event": "spamreport"},
    },
    "mailchimp": {
        "delivered": {"event": "delivered"},
        "soft": {"event": "soft_bounce"},
        "hard": {"event": "hard_bounce"},
        "complained": {"event": "spam"},
    },
    "resend": {
        "delivered": {"type": "email.delivered", "data": {}},
        "soft": {"type": "email.bounced", "data": {"bounce": {"type": "Transient"}}},
        "hard": {"type": "email.bounced", "data": {"bounce": {"type": "Permanent"}}},
        "complained": {"type": "email.complained", "data": {}},
    },
}


def report(provider, kind, reference):
    """What the provider writes."""
    event = EVENTS[provider][kind]
    match provider:
        case "postmark":
            return event | {"Metadata": {"reference": reference}}
        case "sendgrid":
            return [event | {"reference": reference}]
        case "mailchimp":
            return [event | {"msg": {"metadata": {"reference": reference}}}]
        case _:
            return event | {"data": event["data"] | {"tags": {"reference": reference.replace(".", "-")}}}


def signed(provider, told, secret=None):
    """`(headers, body)` as the provider sends it."""
    body, secret, now = json.dumps(told).encode(), secret or SECRETS[provider], int(time.time())
    match provider:
        case "postmark":
            return {"Authorization": "Basic " + base64.b64encode(secret.encode()).decode()}, body
        case "sendgrid":
            key = KEY if secret == SECRETS[provider] else ec.generate_private_key(ec.SECP256R1())
            name = "X-Twilio-Email-Event-Webhook"
            signature = base64.b64encode(key.sign(str(now).encode() + body, ec.ECDSA(SHA256()))).decode()
            return {f"{name}-Timestamp": str(now), f"{name}-Signature": signature}, body
        case "mailchimp":
            text = f"{SITE.url}/webhooks/mail/mailchimp" + "mandrill_events" + body.decode()
            signature = base64.b64encode(hmac.digest(secret.encode(), text.encode(), hashlib.sha1)).decode()
            form = {"Content-Type": "application/x-www-form-urlencoded"}
            return form | {"X-Mandrill-Signature": signature}, urlencode({"mandrill_events": body.decode()}).encode()
        case _:
            signature = Webhook(secret).sign("id", datetime.fromtimestamp(now, UTC), body.decode())
            return {"svix-id": "id", "svix-timestamp": str(now), "svix-signature": signature}, body


@pytest.fixture
async def hook(database, clock, provider):
    """A client of the service that is set up for the reports of one provider."""
    reports = FeedbackSource(provider, READERS[provider], SECRETS[provider])
    app = create_app(database, clock=clock, site=SITE, feedback=reports)
    async with serving(app) as url, httpx.AsyncClient(base_url=f"{url}/webhooks/mail/") as client:
        yield client


async def tell(hook, provider, told):
    headers, body = signed(provider, told)
    answer = await hook.post(provider, headers=headers, content=body)
    assert (answer.status_code, answer.content) == (204, b""), answer.text


def reference(store, message):
    return f"{store.account}.{message}"


async def sent(store, database, clock, smtp, *names):
    """The messages that were sent, by the names of their customers, and the customers."""
    people = await customers(store, *names)
    messages = await queued_for_all(store, people.values())
    await deliver(database, clock, smtp.url)
    return {name: messages[who] for name, who in people.items()}, people


OUTCOMES = {
    "delivered": ("delivered", "subscribed", []),
    "soft": ("bounced", "subscribed", []),
    "hard": ("bounced", "cleaned", []),
    "complained": ("complained", "unsubscribed", [("unsubscribed", "complaint")]),
}


@pytest.mark.parametrize("provider", EVENTS)
async def test_what_a_provider_reports_is_seen_and_heeded(store, database, clock, smtp, hook, provider):
    messages, people = await sent(store, database, clock, smtp, *OUTCOMES)
    clock.now = NOW + timedelta(minutes=5)
    for name in OUTCOMES:
        for _ in range(2):
            await tell(hook, provider, report(provider, name, reference(store, messages[name])))

    for name, (status, marketing, changes) in OUTCOMES.items():
        whole = await seen(store, messages[name])
        assert (whole["status"], whole["settled_at"]) == (status, "2026-03-18T12:05:00Z"), name
        assert (whole["sent_at"], whole["attempt_count"]) == ("2026-03-18T12:00:00Z", 1)
        assert whole["reason"] == ("refused" if name == "hard" else None)
        assert await known(store, people[name]) == (marketing, [BY_KEY, *changes]), name
    assert (await post(store, people["hard"], kind="transactional")).json()["reason"] == "cleaned"
    assert (await post(store, people["complained"], kind="transactional")).status_code == 202


def report_of(provider, kind, reference, address):
    """What the provider writes, with the address that the mail went to."""
    told = report(provider, kind, reference)
    match provider:
        case "postmark":
            return told | {"Email": address}
        case "sendgrid":
            return [told[0] | {"email": address}]
        case "mailchimp":
            return [told[0] | {"msg": told[0]["msg"] | {"email": address}}]
        case _:
            return told | {"data": told["data"] | {"to": [address]}}


@pytest.mark.parametrize("provider", EVENTS)
async def test_a_hard_bounce_is_of_the_address_that_the_mail_went_to_and_of_no_later_one(
    store, database, clock, smtp, hook, provider
):
    messages, people = await sent(store, database, clock, smtp, "ada", "bea", "cyd")
    moved = order("2", "ada", email="new@example.test", updated_at="2026-03-18T11:00:00Z")
    await store.send(moved, order("3", "cyd", email="cyd@exämple.test", updated_at="2026-03-18T11:00:00Z"))
    went_to = {"ada": "ada@example.test", "bea": '"Bea" <Bea@Example.test>', "cyd": "cyd@xn--exmple-cua.test"}
    for name, address in went_to.items():
        await tell(hook, provider, report_of(provider, "hard", reference(store, messages[name]), address))

    assert {name: (await known(store, who))[0] for name, who in people.items()} == {
        "ada": "subscribed",
        "bea": "cleaned",
        "cyd": "subscribed",  # the mail went to the address before
    }
    assert {name: (await seen(store, each))["status"] for name, each in messages.items()} == dict.fromkeys(
        people, "bounced"
    )


@pytest.mark.parametrize("provider", ["mailchimp"])
async def test_a_thousand_events_at_a_time_are_taken(store, database, clock, smtp, hook, provider):
    messages, people = await sent(store, database, clock, smtp, "ada")
    (event,) = report(provider, "hard", reference(store, messages["ada"]))
    (foreign,) = report(provider, "hard", "another shop's own")
    foreign["msg"] |= {"subject": "x" * 200, "diag": 'smtp;550 5.1.1 "<bea@home.example>"' * 20}
    headers, body = signed(provider, [foreign] * 999 + [event])
    assert len(body) > 1024 * 1024

    assert (await hook.post(provider, headers=headers, content=body)).status_code == 204

    assert (await known(store, people["ada"]))[0] == "cleaned"
    too_large = await hook.post(provider, headers=headers, content=b"x" * (8 * 1024 * 1024 + 1))
    problem(too_large, 413, "body_too_large")


LEFT = {
    "postmark": {"RecordType": "SubscriptionChange", "SuppressSending": True, "SuppressionReason": "ManualSuppression"},
    "sendgrid": {"event": "group_unsubscribe"},
    "mailchimp": {"event": "unsub"},
}


@pytest.mark.parametrize("provider", LEFT)
async def test_who_leaves_by_a_link_of_the_provider_has_left(store, database, clock, smtp, hook, provider, monkeypatch):
    messages, people = await sent(store, database, clock, smtp, "ada", "bea")
    waiting = await queued(store, people["bea"])
    monkeypatch.setitem(EVENTS[provider], "left", LEFT[provider])
    for kind in ("delivered", "left", "left"):
        await tell(hook, provider, report(provider, kind, reference(store, messages["ada"])))
    await tell(hook, provider, report(provider, "left", reference(store, waiting)))

    whole = await seen(store, messages["ada"])
    assert (whole["status"], whole["reason"]) == ("delivered", None)
    assert await known(store, people["ada"]) == ("unsubscribed", [BY_KEY, ("unsubscribed", "unsubscribe")])
    assert (await seen(store, waiting))["status"] == "queued"
    assert await known(store, people["bea"]) == ("subscribed", [BY_KEY])


SEQUENCES = [each for length in (1, 2, 3) for each in itertools.product(OUTCOMES, repeat=length)]


@pytest.mark.parametrize("provider", ["sendgrid"])
async def test_reports_in_any_order_and_repetition_end_the_same(store, database, clock, smtp, hook, provider, sql):
    names = ["-".join(each) for each in SEQUENCES]
    messages, _ = await sent(store, database, clock, smtp, *names)
    for place in range(3):
        told = [
            report(provider, each[place], reference(store, messages["-".join(each)]))[0]
            for each in SEQUENCES
            if len(each) > place
        ]
        await tell(hook, provider, told)

    rows = await sql.fetch(
        "SELECT c.external_id, m.status FROM messages AS m JOIN customers AS c ON c.id = m.customer_id"
    )
    listed = await store.api.get("/customers", params={"source": store.source, "limit": 1000}, headers=store.auth)
    consents = {each["external_id"]: each["marketing"] for each in listed.json()["items"]}
    statuses = ["delivered", "bounced", "complained"]
    for row in rows:
        told = row["external_id"].split("-")
        expected = max((OUTCOMES[each][0] for each in told), key=statuses.index)
        marketing = "cleaned" if "hard" in told else "unsubscribed" if "complained" in told else "subscribed"
        assert (row["status"], consents[row["external_id"]]) == (expected, marketing), told
    assert len(rows) == len(SEQUENCES) == 84


@pytest.mark.parametrize("provider", ["postmark"])
async def test_a_hard_bounce_that_is_told_again_does_not_undo_what_the_shop_has_mended(
    store, database, clock, smtp, hook, provider
):
    messages, people = await sent(store, database, clock, smtp, "ada")
    told = report(provider, "hard", reference(store, messages["ada"]))
    await tell(hook, provider, told)
    address = (await store.customer(people["ada"]))["email"]
    assert (await store.api.delete(f"/account/suppressions/{address}", headers=store.auth)).status_code == 204
    await tell(hook, provider, told)
    assert (await known(store, people["ada"]))[0] == "subscribed"


@pytest.mark.parametrize("provider", ["resend"])
async def test_a_mail_that_is_reported_while_its_answer_is_lost_is_not_sent_again(
    store, database, clock, smtp, hook, provider
):
    messages, _ = await sent(store, database, clock, smtp, "lost")
    assert (await seen(store, messages["lost"]))["maybe_duplicate"]
    await tell(hook, provider, report(provider, "delivered", reference(store, messages["lost"])))
    clock.now = NOW + timedelta(hours=1)
    await deliver(database, clock, smtp.url)

    whole = await seen(store, messages["lost"])
    assert (whole["status"], whole["next_attempt_at"]) == ("delivered", None)
    assert len(smtp.taken) == 1


ENDS = {
    "cancelled": "UPDATE messages SET status = 'cancelled', reason = 'by_request', due_at = NULL",
    "failed": "UPDATE messages SET status = 'failed', reason = 'tried_for_too_long', due_at = NULL",
    "held": "UPDATE messages SET status = 'held', reason = 'crashed', due_at = NULL",
}


@pytest.mark.parametrize("provider", ["resend"])
@pytest.mark.parametrize("end", ENDS)
async def test_a_copy_whose_answer_was_lost_is_heard_of_however_its_message_has_ended(
    store, database, clock, smtp, hook, provider, sql, end
):
    messages, people = await sent(store, database, clock, smtp, end)
    message = messages[end]
    assert (await seen(store, message))["maybe_duplicate"]
    await sql.execute(ENDS[end])
    assert (await seen(store, message))["status"] == end

    for kind in ("delivered", "complained"):
        await tell(hook, provider, report(provider, kind, reference(store, message)))
        whole = await seen(store, message)
        assert (whole["status"], whole["reason"], whole["next_attempt_at"]) == (kind, None, None)

    assert (await known(store, people[end]))[0] == "unsubscribed"


@pytest.mark.parametrize("provider", ["postmark"])
async def test_a_report_may_come_before_the_answer(store, database, clock, tmp_path, hook, provider):
    ada = await customer(store, "ada")
    message = await queued(store, ada)
    with sink(tmp_path, answer_delay_seconds=1) as slow:
        async with delivering(database, clock, slow.url):
            await until(lambda: has_taken(slow, 1))
            await tell(hook, provider, report(provider, "complained", reference(store, message)))
            whole = await seen(store, message)
        clock.now = NOW + timedelta(hours=1)
        await deliver(database, clock, slow.url)
        assert len(slow.taken) == 1

    assert (whole["status"], whole["sent_at"]) == ("complained", "2026-03-18T12:00:00Z")
    assert (await seen(store, message))["status"] == "complained"
    assert (await known(store, ada))[0] == "unsubscribed"


@contextlib.asynccontextmanager
async def replica_as_of_now(urls):
    """The reads of a replica that hears nothing more."""
    behind = Database(with_asyncpg(urls.write), None, pool_size=1, pool_wait_seconds=1)
    async with behind.snapshot() as conn:
        await conn.execute(text("SELECT 1"))

        @contextlib.asynccontextmanager
        async def read():
            yield conn

        yield read
    await behind.close()


@pytest.mark.parametrize("provider", ["postmark"])
async def test_a_report_is_heeded_though_the_replica_does_not_know_yet_that_the_mail_was_sent(
    store, database, clock, smtp, hook, provider, urls, monkeypatch
):
    ada = await customer(store, "ada")
    message = await queued(store, ada)
    async with replica_as_of_now(urls) as read:
        await deliver(database, clock, smtp.url)
        with monkeypatch.context() as patched:
            patched.setattr(database, "read", read)
            await tell(hook, provider, report(provider, "hard", reference(store, message)))

    assert (await seen(store, message))["status"] == "bounced"
    assert (await known(store, ada))[0] == "cleaned"


@pytest.mark.parametrize("provider", EVENTS)
async def test_a_report_that_the_provider_did_not_sign_changes_nothing(
    store, database, clock, smtp, hook, provider, statements
):
    messages, people = await sent(store, database, clock, smtp, "ada")
    told = report(provider, "complained", reference(store, messages["ada"]))
    headers, body = signed(provider, told)
    wrong = {"resend": f"whsec_{base64.b64encode(b'x' * 24).decode()}"}.get(provider, "user:wrong")
    others = signed(provider, told, wrong)
    mangled = {name: f"{value[:-6]}AAAAA=" for name, value in headers.items()} | {"Content-Type": "application/json"}
    forgeries = [({}, body), others, (mangled, body), (dict.fromkeys(headers, ""), body), ({}, b""), ({}, b"\xff")]
    forgeries += [(headers, body + b" ")] if provider != "postmark" else []
    with statements.during() as ran:
        for each in forgeries:
            problem(await hook.post(provider, headers=each[0], content=each[1]), 401, "forged_feedback")
    assert ran == []
    assert (await seen(store, messages["ada"]))["status"] == "sent"
    assert await known(store, people["ada"]) == ("subscribed", [BY_KEY])


@pytest.mark.parametrize("provider", ["postmark"])
async def test_only_the_provider_that_sends_may_report(store, hook, provider):
    headers, body = signed("postmark", report("postmark", "delivered", "acc_1.msg_1"))
    for name in ("sendgrid", "Postmark", "nobody", "postmark%20"):
        problem(await hook.post(name, headers=headers, content=body), 404, "unknown_provider")
    for name in EVENTS:
        unset = await store.api.post(f"/webhooks/mail/{name}", headers=headers, content=body)
        problem(unset, 404, "unknown_provider")
    problem(await hook.post("postmark", headers=headers, content=b"{"), 400, "unreadable_body")


@pytest.mark.parametrize("provider", EVENTS)
async def test_reports_of_messages_that_are_not_there_are_taken_and_forgotten(
    store, open_store, database, clock, smtp, hook, provider
):
    other = await open_store()
    await set_sender(other)
    messages, people = await sent(store, database, clock, smtp, "ada", "bea")
    erased = messages["bea"]
    await store.erase(people["bea"])
    ada = messages["ada"]
    for name in (
        *(f"{other.account}.{ada}", "acc_1.msg_999999", "acc_999999999999999999.msg_1", f"acc_0.{ada}", ada),
        *("acc_1.msg_1.msg_2", "acc_-1.msg_1", "acc_1.msg_99999999999999999999", "", "x"),
    ):
        for kind in OUTCOMES:
            await tell(hook, provider, report(provider, kind, name))
    await tell(hook, provider, report(provider, "hard", reference(store, erased)))

    assert (await seen(store, ada))["status"] == "sent"
    assert (await seen(store, erased))["status"] == "bounced"
    assert await known(store, people["ada"]) == ("subscribed", [BY_KEY])


@pytest.mark.parametrize("provider", ["postmark"])
async def test_a_report_of_a_message_that_never_left_changes_nothing(store, hook, provider):
    ada = await customer(store, "ada")
    waiting, cancelled = await queued(store, ada), await queued(store, ada)
    await store.api.delete(f"/messages/{cancelled}", headers=store.auth)
    for kind, message in itertools.product(OUTCOMES, (waiting, cancelled)):
        await tell(hook, provider, report(provider, kind, reference(store, message)))
    assert [(await seen(store, each))["status"] for each in (waiting, cancelled)] == ["queued", "cancelled"]
    assert await known(store, ada) == ("subscribed", [BY_KEY])
