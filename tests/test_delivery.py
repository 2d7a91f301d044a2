"""Delivery: what becomes of a message between its queue and a server that takes it, refuses it or says nothing."""

import asyncio
import json
import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest
import structlog
import trustme
from answers import pointers, problem
from conftest import NOW
from hypothesis import example, given
from hypothesis import strategies as st
from mail_sinks import smtp_sink
from plans import plan_of
from postal import (
    FAST,
    SENDER,
    all_seen,
    change_plan,
    customer,
    customers,
    deliver,
    delivering,
    has_taken,
    is_now,
    key,
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
from shop import order

from app import worker
from app.mail import smtp as smtp_mailer
from app.mail.contract import Deferred
from app.messages.queue_statements import CLAIM_DUE, SELECT_NEXT_ACCOUNT
from app.messages.sending import deliver_messages
from app.messages.sending.backoff import (
    JITTER,
    LONGEST_TRYING,
    MOST_ATTEMPTS,
    WAITS_SECONDS,
    GivenUp,
    next_attempt,
    wait_seconds,
)
from app.messages.sending.claim_messages import SendingLimits, claim
from app.messages.statements import select_messages
from app.worker import work_once

pytestmark = pytest.mark.usefixtures("midday")

SCRIPT = {
    f"{name}@example.test": steps
    for name, steps in {
        "r421": ["421 4.3.2 closing"],
        "r450": ["450 4.2.0 greylisted"],
        "r451": ["451 try later"],
        "r452": ["452 4.2.2 full"],
        "d451": ["data 451 4.3.0 busy"],
        "r550": ["550 no such user"],
        "r5511": ["550 5.1.1 <r5511@example.test> is unknown"],
        "r551": ["551 not here"],
        "r553": ["553 5.1.3 bad address"],
        "r5571": ["550 5.7.1 your network is listed"],
        "r552": ["552 5.2.2 full"],
        "r554": ["554 5.7.1 relay access denied"],
        "d550": ["data 550 spam"],
        "d552": ["data 552 5.3.4 too large"],
        "d554": ["data 554 5.6.0 no"],
        "hang-up": ["hang up"],
        "cut": ["cut"],
        "stall": ["stall"],
        "lost": ["taken, cut", "250"],
        "hanging": ["taken, stall", "250"],
        "later": ["450 4.2.0 greylisted", "450 4.2.0 greylisted", "250"],
        "never": ["451 4.3.0 later"],
        "out": ["450 4.2.0 greylisted"],
        "refused": ["450 4.2.0 greylisted", "250"],
    }.items()
} | {
    "cold@shop.example": ["535 5.7.8 authentication failed", "250"],
    "mended@shop.example": ["535 5.7.8 authentication failed", "250"],
    "locked@shop.example": [*["535 5.7.8 authentication failed"] * 9, "250"],
    "held-up@shop.example": ["535 5.7.8 authentication failed"],
    "unpaid-relay@shop.example": ["535 5.7.8 authentication failed", "250"],
}


def after(seconds: float) -> str:
    return (NOW + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


async def paused(store):
    return (await store.api.get("/account", headers=store.auth)).json()["sending_paused"]


# ---------------------------------------------------------------- outcomes

DEFERRED = ("queued", None, "deferred")
REFUSED = ("failed", "refused", "refused")
DOCUMENTED = {
    "r421": (*DEFERRED, "421 4.3.2"),
    "r450": (*DEFERRED, "450 4.2.0"),
    "r451": (*DEFERRED, "451"),
    "r452": (*DEFERRED, "452 4.2.2"),
    "d451": (*DEFERRED, "451 4.3.0"),
    "hang-up": (*DEFERRED, "disconnected"),
    "stall": (*DEFERRED, "timeout"),
    "cut": (*DEFERRED, "disconnected"),
    "r550": (*REFUSED, "550"),
    "r5511": (*REFUSED, "550 5.1.1"),
    "r551": (*REFUSED, "551"),
    "r553": (*REFUSED, "553 5.1.3"),
    "r5571": (*REFUSED, "550 5.7.1"),
    "r552": (*REFUSED, "552 5.2.2"),
    "r554": (*REFUSED, "554 5.7.1"),
    "d550": (*REFUSED, "550"),
    "d552": (*REFUSED, "552 5.3.4"),
    "d554": (*REFUSED, "554 5.6.0"),
    "fine": ("sent", None, "accepted", ""),
}
OF_THE_ADDRESS = {"r550", "r5511", "r551", "r553"}


async def test_every_answer_of_a_server_is_shown_and_acted_on_as_documented(store, database, clock, smtp, monkeypatch):
    monkeypatch.setattr(smtp_mailer, "COMMAND_SECONDS", 1)
    people = await customers(store, *DOCUMENTED)
    messages = await queued_for_all(store, people.values())
    await deliver(database, clock, smtp.url)

    for name, (status, reason, outcome, code) in DOCUMENTED.items():
        whole = await seen(store, messages[people[name]])
        (attempt,) = whole["attempts"]
        assert (whole["status"], whole["reason"], whole["attempt_count"]) == (status, reason, 1), name
        assert (attempt["outcome"], attempt["code"], attempt["started_at"]) == (outcome, code, after(0)), name
        assert "@" not in attempt["detail"], name
        assert whole["maybe_duplicate"] == (name == "cut"), name
        assert (whole["settled_at"] is None) == (status == "queued"), name
        assert (whole["sent_at"] is None) == (status != "sent"), name
        if status == "queued":
            least, most = {"cut": (600, 600), "stall": (60, 72)}.get(name, (48, 72))
            due_at = NOW.fromisoformat(whole["next_attempt_at"])
            assert least <= (due_at - NOW).total_seconds() <= most, name
        else:
            assert whole["next_attempt_at"] is None, name
        cleaned = ("cleaned", [("subscribed", "key_1")])
        assert await known(store, people[name]) == (
            cleaned if name in OF_THE_ADDRESS else ("subscribed", [("subscribed", "key_1")])
        ), name
    assert [mail.recipient for mail in smtp.taken] == ["fine@example.test"]
    assert await paused(store) is None


async def test_a_dead_address_is_not_written_to_until_the_shop_says_that_it_works(store, database, clock, smtp):
    ada = await customer(store, "r5511")
    await queued(store, ada)
    await deliver(database, clock, smtp.url)

    for kind in ("marketing", "transactional"):
        body = problem_with_reason(await post(store, ada, kind=kind))
        assert body["reason"] == "cleaned"
    await store.agree(ada, "subscribed")
    assert problem_with_reason(await post(store, ada))["reason"] == "cleaned"
    address = (await store.customer(ada))["email"]
    lifted = await store.api.delete(f"/account/suppressions/{address}", headers=store.auth)
    assert lifted.status_code == 204
    await queued(store, ada)


def problem_with_reason(answer):
    assert answer.status_code == 409, answer.text
    body = answer.json()
    assert body["code"] == "recipient_not_messageable"
    return body


async def test_a_lost_answer_is_asked_for_again_after_ten_minutes_under_the_same_name(store, database, clock, smtp):
    message = await queued(store, await customer(store, "lost"))
    await deliver(database, clock, smtp.url)
    first = await seen(store, message)

    clock.now = NOW + timedelta(minutes=9, seconds=59)
    await deliver(database, clock, smtp.url)
    waiting = await seen(store, message)
    clock.now = NOW + timedelta(minutes=10)
    await deliver(database, clock, smtp.url)
    whole = await seen(store, message)

    assert (first["status"], first["maybe_duplicate"], first["next_attempt_at"]) == ("queued", True, after(600))
    assert waiting == first
    assert (whole["status"], whole["maybe_duplicate"], whole["attempt_count"]) == ("sent", True, 2)
    assert [each["outcome"] for each in whole["attempts"]] == ["deferred", "accepted"]
    assert {mail.message_id for mail in smtp.taken} == {whole["message_id"]}
    assert len({mail.content for mail in smtp.taken}) == 1
    assert len(smtp.taken) == 2


async def test_a_server_without_the_encryption_that_was_asked_for_gets_nothing(store, database, clock, smtp, tmp_path):
    authority, stranger = trustme.CA(), trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    stranger.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(tmp_path / "stranger.pem")
    query = f"?ca={quote(str(tmp_path / 'ca.pem'))}"
    message = await queued(store, await customer(store, "ada"))

    await deliver(database, clock, smtp.url.replace("smtp:", "smtp+starttls:") + query)
    clock.now = NOW + timedelta(minutes=2)
    with smtp_sink(tmp_path / "taken", certificate=tmp_path / "stranger.pem") as false:
        await deliver(database, clock, false.url.replace("smtp:", "smtp+starttls:") + query)
        assert false.taken == []

    whole = await seen(store, message)
    assert (whole["status"], whole["attempt_count"], whole["maybe_duplicate"]) == ("queued", 2, False)
    assert [(each["outcome"], each["code"]) for each in whole["attempts"]] == [("deferred", "tls")] * 2
    assert smtp.taken == []
    assert await paused(store) is None


async def test_a_refused_login_pauses_the_account_and_keeps_its_queue(store, open_store, database, clock, smtp):
    other = await open_store()
    await set_sender(other)
    await set_sender(store, email="cold@shop.example")
    people = await customers(store, "ada", "bea")
    waiting = await queued(store, people["ada"])
    await deliver(database, clock, smtp.url)

    whole = await seen(store, waiting)
    assert (whole["status"], whole["attempt_count"]) == ("queued", 0)
    assert [(each["outcome"], each["code"]) for each in whole["attempts"]] == [("misconfigured", "535 5.7.8")]
    pause = {"until": after(600), "because": "535 5.7.8 authentication failed"}
    assert await paused(store) == pause
    assert await paused(other) is None

    later = await queued(store, people["bea"])
    elsewhere = await queued(other, await customer(other, "cyd"))
    clock.now = NOW + timedelta(seconds=599)
    await deliver(database, clock, smtp.url)
    assert [mail.recipient for mail in smtp.taken] == ["cyd@example.test"]
    assert (await seen(other, elsewhere))["status"] == "sent"

    clock.now = NOW + timedelta(seconds=600)
    assert await paused(store) is None
    await deliver(database, clock, smtp.url)
    assert [(await seen(store, each))["status"] for each in (waiting, later)] == ["sent", "sent"]


async def test_after_a_pause_one_message_tries_whether_the_login_is_still_refused(store, database, clock, smtp, sql):
    async def refusals():
        return await sql.fetchval("SELECT count(*) FROM message_attempts WHERE outcome = 'misconfigured'")

    await set_sender(store, email="locked@shop.example")
    await queued_for_all(store, (await customers(store, *(f"n{number}" for number in range(7)))).values())
    await deliver(database, clock, smtp.url)
    assert await refusals() == 7

    for further in (8, 9):  # a provider locks whoever tries too often
        clock.now += timedelta(seconds=600)
        await deliver(database, clock, smtp.url)
        assert await refusals() == further
        assert await paused(store) is not None

    clock.now += timedelta(seconds=600)
    await deliver(database, clock, smtp.url)
    assert await refusals() == 9
    assert len(smtp.taken) == 7
    assert (
        await sql.fetchval("SELECT count(*) FROM senders WHERE paused_until IS NOT NULL OR paused_because <> ''") == 0
    )


async def test_a_sender_that_is_set_anew_ends_the_pause_at_once(store, database, clock, smtp):
    await set_sender(store, email="mended@shop.example")
    message = await queued(store, await customer(store, "ada"))
    await deliver(database, clock, smtp.url)
    assert await paused(store) is not None

    assert (await set_sender(store)).json()["sending_paused"] is None
    await deliver(database, clock, smtp.url)

    assert (await seen(store, message))["status"] == "sent"
    assert [mail.sender for mail in smtp.taken] == [SENDER["email"]]


async def test_what_a_stopping_worker_lets_go_of_costs_no_attempt_and_keeps_its_name(
    store, database, clock, smtp, monkeypatch
):
    monkeypatch.setattr(deliver_messages, "GRACE_SECONDS", 0.2)
    message = await queued(store, await customer(store, "hanging"))
    async with delivering(database, clock, smtp.url):
        await until(lambda: has_taken(smtp, 1))
    let_go = await seen(store, message)
    await deliver(database, clock, smtp.url)
    whole = await seen(store, message)

    assert (let_go["status"], let_go["attempt_count"], let_go["maybe_duplicate"]) == ("queued", 0, True)
    assert (whole["status"], whole["attempt_count"]) == ("sent", 1)
    assert [(each["outcome"], each["code"]) for each in whole["attempts"]] == [
        ("deferred", "interrupted"),
        ("accepted", ""),
    ]
    assert [mail.message_id for mail in smtp.taken] == [whole["message_id"]] * 2


@pytest.mark.parametrize("pool_size", [3])
async def test_a_mail_that_takes_longer_than_its_lease_is_sent_once(store, database, clock, tmp_path):
    clock.now = None
    message = await queued(store, await customer(store, "ada"))
    limits = SendingLimits(lease_seconds=0.6)
    with sink(tmp_path, answer_delay_seconds=3) as slow:
        async with delivering(database, clock, slow.url, limits), delivering(database, clock, slow.url, limits):
            await until(lambda: is_now(store, message, "sent"))
        assert len(slow.taken) == 1
    assert (await seen(store, message))["attempt_count"] == 1


# ---------------------------------------------------------------- when it is tried again


async def tried_until_it_ends(store, database, clock, url, message):
    """Go from attempt to attempt."""
    whole = await seen(store, message)
    while whole["status"] == "queued":
        due = whole["next_attempt_at"]
        clock.now = max(clock.now, NOW.fromisoformat(due))
        await deliver(database, clock, url)
        whole = await seen(store, message)
    return whole


async def test_a_message_is_given_up_after_eight_attempts_or_a_day(store, database, clock, smtp):
    people = await customers(store, "never", "out", "later")
    later = await tried_until_it_ends(store, database, clock, smtp.url, await queued(store, people["later"]))
    assert (later["status"], later["attempt_count"]) == ("sent", 3)

    begun = clock.now
    out = await queued(store, people["out"])
    await deliver(database, clock, smtp.url)
    clock.now = begun + timedelta(hours=23, minutes=58)
    whole = await tried_until_it_ends(store, database, clock, smtp.url, out)
    assert (whole["status"], whole["reason"], whole["attempt_count"]) == ("failed", "tried_for_too_long", 2)

    never = await tried_until_it_ends(store, database, clock, smtp.url, await queued(store, people["never"]))
    moments = [NOW.fromisoformat(each["started_at"]) for each in never["attempts"]]
    for wait, base in zip(map(lambda a, b: (b - a).total_seconds(), moments, moments[1:]), WAITS_SECONDS, strict=False):
        assert base * (1 - JITTER) <= wait <= base * (1 + JITTER)
    assert never["status"] == "failed"
    assert moments[-1] - moments[0] <= LONGEST_TRYING
    assert (never["reason"], never["attempt_count"]) in {("too_many_attempts", 8), ("tried_for_too_long", 7)}


async def test_eight_attempts_are_the_end_when_chance_keeps_them_within_a_day(
    store, database, clock, smtp, monkeypatch
):
    monkeypatch.setattr("app.messages.sending.settle_messages.random.random", lambda: 0.0)
    message = await queued(store, await customer(store, "never"))
    whole = await tried_until_it_ends(store, database, clock, smtp.url, message)
    assert (whole["status"], whole["reason"], whole["attempt_count"]) == ("failed", "too_many_attempts", 8)
    assert len(whole["attempts"]) == 8


async def test_while_a_login_is_refused_the_day_of_trying_has_not_begun(store, database, clock, smtp):
    await set_sender(store, email="unpaid-relay@shop.example")
    message = await queued(store, await customer(store, "refused"))
    await deliver(database, clock, smtp.url)

    clock.now = NOW + timedelta(days=3)
    await deliver(database, clock, smtp.url)
    whole = await seen(store, message)
    assert (whole["status"], whole["attempt_count"]) == ("queued", 1)
    assert (await tried_until_it_ends(store, database, clock, smtp.url, message))["status"] == "sent"


async def test_what_waits_out_a_dead_server_is_all_sent_when_it_is_back(store, database, clock, smtp):
    people = await customers(store, *(f"c{number}" for number in range(30)))
    await queued_for_all(store, people.values())
    for _ in range(5):
        await deliver(database, clock, "smtp://127.0.0.1:1")
        clock.now += timedelta(hours=3)
    assert {(row["status"], row["attempt_count"]) for row in (await all_seen(store)).values()} == {("queued", 5)}

    clock.now += timedelta(hours=3)
    await deliver(database, clock, smtp.url)

    assert {row["status"] for row in (await all_seen(store)).values()} == {"sent"}
    assert sorted(mail.recipient for mail in smtp.taken) == sorted(f"{name}@example.test" for name in people)


SOME = random.Random(8)
DELAYS = [(attempts, SOME.random()) for attempts in range(1, MOST_ATTEMPTS) for _ in range(10_000)]
CHANCE = st.floats(0, 1, exclude_max=True)
ATTEMPTS = st.integers(1, MOST_ATTEMPTS - 1)
ASKED = st.integers(0, 10**9) | st.none()


def test_waits_stay_within_a_fifth_of_the_schedule_and_use_all_of_it():
    for code in ("450 4.2.0", "503 busy", "disconnected", "4290"):
        waits = [wait_seconds(Deferred(code, ""), *each) / WAITS_SECONDS[each[0] - 1] for each in DELAYS]
        assert 0.8 <= min(waits) < 0.801
        assert 1.199 < max(waits) <= 1.2


@given(ATTEMPTS, CHANCE, st.integers(0, 10**9))
def test_who_says_when_to_come_back_is_heard_up_to_twice_the_usual_wait(attempts, chance, asked):
    base = WAITS_SECONDS[attempts - 1]
    wait = wait_seconds(Deferred("503", "", retry_after_seconds=asked), attempts, chance)
    assert max(base * 0.8, min(asked, 2 * base)) <= wait <= max(base * 1.2, min(asked, 2 * base))


@given(ATTEMPTS, CHANCE, st.sampled_from(["429", "429 rate_limit_exceeded", "429 429", "timeout"]))
@example(1, 0.0, "429 rate_limit_exceeded")
def test_whoever_is_overrun_or_silent_is_left_alone_for_a_minute(attempts, chance, code):
    assert wait_seconds(Deferred(code, ""), attempts, chance) >= 60


@given(ATTEMPTS, CHANCE, ASKED)
def test_what_may_have_arrived_waits_for_ten_minutes_at_least(attempts, chance, asked):
    lost = Deferred("disconnected", "", asked, maybe_duplicate=True)
    assert wait_seconds(lost, attempts, chance) >= 600


@given(st.integers(1, 20), CHANCE, st.integers(0, 2 * 86_400), ASKED, st.booleans())
def test_no_attempt_is_planned_beyond_a_day_or_eight(attempts, chance, age, asked, lost):
    now = NOW + timedelta(seconds=age)
    deferred = Deferred("429", "", asked, maybe_duplicate=lost)
    planned = next_attempt(deferred, attempts=attempts, first_tried_at=NOW, now=now, chance=chance)
    if isinstance(planned, GivenUp):
        assert planned.reason == ("too_many_attempts" if attempts >= MOST_ATTEMPTS else "tried_for_too_long")
    else:
        assert attempts < MOST_ATTEMPTS
        assert now < planned <= NOW + LONGEST_TRYING


# ---------------------------------------------------------------- until it is sent, all may change


async def unsubscribe(store, sql, who, message):
    answer = await store.api.post(await unsubscribe_path(store, sql, who, message))
    assert answer.status_code == 200, answer.text


WITHDRAWN = {
    "ada": (lambda store, _sql, who, _message: store.agree(who, "unsubscribed"), "consent_withdrawn"),
    "bea": (lambda store, _sql, who, _message: store.agree(who, "non_subscribed"), "consent_withdrawn"),
    "cyd": (lambda store, _sql, who, _message: store.agree(who, "cleaned"), "cleaned"),
    "dot": (unsubscribe, "consent_withdrawn"),
    "eve": (lambda store, _sql, who, _message: store.erase(who), "erased"),
}


async def test_consent_that_is_withdrawn_before_the_sending_cancels_it(store, database, clock, smtp, sql):
    people = await customers(store, *WITHDRAWN, "fay", "r5511")
    bounced = await queued(store, people["r5511"])
    messages = await queued_for_all(store, people.values())
    for name, (withdraw, _) in WITHDRAWN.items():
        await withdraw(store, sql, people[name], messages[people[name]])
    clock.now = NOW + timedelta(seconds=1)
    await deliver(database, clock, smtp.url)
    await deliver(database, clock, smtp.url)

    for name, (_, reason) in WITHDRAWN.items():
        whole = await seen(store, messages[people[name]])
        assert (whole["status"], whole["reason"], whole["attempt_count"]) == ("cancelled", reason, 0), name
        assert (whole["attempts"], whole["next_attempt_at"], whole["sent_at"]) == ([], None, None)
        assert whole["settled_at"] in {after(0), after(1)}
    assert (await seen(store, bounced))["status"] == "failed"
    assert (await seen(store, messages[people["fay"]]))["status"] == "sent"
    assert [mail.recipient for mail in smtp.taken] == ["fay@example.test"]


async def test_a_bounce_cancels_what_is_queued_for_the_same_address(store, database, clock, smtp):
    ada = await customer(store, "r5511")
    first = await queued(store, ada)
    await deliver(database, clock, smtp.url, SendingLimits(concurrency=1))
    later = [await outdated(store, database, ada, kind) for kind in ("marketing", "transactional")]
    await deliver(database, clock, smtp.url)

    assert (await seen(store, first))["status"] == "failed"
    for message in later:
        whole = await seen(store, message)
        assert (whole["status"], whole["reason"]) == ("cancelled", "cleaned")


async def outdated(store, database, customer_id, kind):
    """A message that was queued before the address was known to be bad."""
    address = (await store.customer(customer_id))["email"]
    await store.api.delete(f"/account/suppressions/{address}", headers=store.auth)
    message = await queued(store, customer_id, kind=kind)
    await store.agree(customer_id, "cleaned")
    return message


@pytest.mark.parametrize("pool_size", [4])
async def test_nothing_is_begun_after_a_customer_has_left(store, database, clock, tmp_path, sql):
    clock.now = None
    people = await customers(store, *(f"c{number}" for number in range(150)))
    messages = await queued_for_all(store, people.values())
    some = random.Random(9)
    leaving = some.sample([*messages], 75)
    left_at = {}

    async def leave_at_a_random_moment(who):
        path = paths[who]
        await asyncio.sleep(some.random())
        if some.random() < 0.5:
            await store.agree(who, "unsubscribed")
        else:
            assert (await store.api.post(path)).status_code == 200
        left_at[who] = datetime.now(UTC)

    paths = {who: await unsubscribe_path(store, sql, who, messages[who]) for who in leaving}
    slow = SendingLimits(concurrency=6, rate_per_second=10_000, burst=10_000)
    with sink(tmp_path, answer_delay_seconds=0.02) as smtp:
        async with delivering(database, clock, smtp.url, slow):
            await asyncio.gather(*map(leave_at_a_random_moment, leaving))
            await until(lambda: nothing_waits(store))
        taken = {mail.recipient for mail in smtp.taken}

    rows = await sql.fetch(
        "SELECT m.customer_id, c.email, m.status, m.reason, max(a.started_at) AS begun_at FROM messages AS m"
        " JOIN customers AS c ON c.id = m.customer_id LEFT JOIN message_attempts AS a ON a.message_id = m.id"
        " GROUP BY m.account_id, m.id, c.account_id, c.id"
    )
    left = {number_in(who): at for who, at in left_at.items()}
    assert [row for row in rows if row["begun_at"] and row["begun_at"] >= left.get(row["customer_id"], NEVER)] == []
    assert {row["email"] for row in rows if row["status"] == "sent"} == taken
    statuses = Counter((row["customer_id"] in left, row["status"], row["reason"]) for row in rows)
    assert statuses[False, "sent", None] == 75
    assert statuses[True, "cancelled", "consent_withdrawn"] + statuses[True, "sent", None] == 75
    assert min(statuses.values()) > 3


NEVER = datetime(9999, 1, 1, tzinfo=UTC)


async def nothing_waits(store):
    return not await all_seen(store, status="queued") and not await all_seen(store, status="sending")


@pytest.mark.parametrize("by_the_worker", [True, False])
async def test_who_pays_no_more_sends_nothing_more(store, open_store, database, clock, smtp, by_the_worker):
    other = await open_store()
    await set_sender(other)
    people = await customers(store, "never", "ada")
    waiting = await queued(store, people["never"])
    await deliver(database, clock, smtp.url)
    due = await queued(store, people["ada"])
    theirs = await queued(other, await customer(other, "bea"))
    await change_plan(store, "free")

    clock.now = NOW + timedelta(seconds=1)
    await (work_once(database, clock) if by_the_worker else deliver(database, clock, smtp.url))

    for message in (waiting, due):
        whole = await seen(store, message)
        assert (whole["status"], whole["reason"], whole["settled_at"]) == ("cancelled", "plan_lost", after(1))
        assert whole["next_attempt_at"] is None
    problem(await post(store, people["ada"]), 403, "plan_required")
    await change_plan(store, "paid")
    clock.now = NOW + timedelta(days=2)
    await work_once(database, clock)
    await deliver(database, clock, smtp.url)
    assert [mail.recipient for mail in smtp.taken] == ["bea@example.test"]
    assert (await seen(other, theirs))["status"] == "sent"


async def test_who_pays_again_before_the_worker_cancels_keeps_the_queue(store, database, clock, monkeypatch):
    message = await queued(store, await customer(store, "ada"))
    await change_plan(store, "free")
    due_tasks = worker._due_tasks

    async def tasks_and_then_the_payment(*arguments):
        tasks = await due_tasks(*arguments)
        await change_plan(store, "paid")
        return tasks

    monkeypatch.setattr(worker, "_due_tasks", tasks_and_then_the_payment)
    await work_once(database, clock)

    assert (await seen(store, message))["status"] == "queued"


async def test_who_has_left_in_masses_does_not_hold_up_the_others(store, open_store, database, clock, smtp, sql):
    other = await open_store()
    await set_sender(other)
    people = await customers(store, *(f"c{number}" for number in range(100)))
    await queued_for_all(store, people.values())
    staying = await queued(store, await customer(store, "ada"))
    theirs = await queued(other, await customer(other, "bea"))
    await sql.execute("UPDATE customers SET marketing = 'unsubscribed' WHERE external_id LIKE 'c%'")

    await deliver(database, clock, smtp.url)

    assert (await seen(store, staying))["status"] == "sent"
    assert (await seen(other, theirs))["status"] == "sent"
    assert len(await all_seen(store, status="cancelled")) == 100
    assert len(smtp.taken) == 2


async def test_a_queue_that_may_not_go_on_keeps_no_worker_busy(store, open_store, database, clock, smtp):
    """The account that was asked first has nothing any more, the next one is paused."""
    paused_one = await open_store()
    await set_sender(paused_one, email="held-up@shop.example")
    await queued(paused_one, await customer(paused_one, "bea"))
    await deliver(database, clock, smtp.url)
    assert await paused(paused_one) is not None
    await queued(store, await customer(store, "ada"))
    await change_plan(store, "free")

    await asyncio.wait_for(deliver(database, clock, smtp.url), 10)

    assert smtp.taken == []


# ---------------------------------------------------------------- erasure

CANARIES = ("canaryname", "canaryone", "canarysubject", "canarytext", "canaryhtml")


async def dump(sql):
    """Every row of every table, as text."""
    tables = await sql.fetch("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
    rows = [row[0] for (table,) in tables for row in await sql.fetch(f"SELECT t::text FROM {table} AS t")]
    return "\n".join(rows).lower()


def canaries_in(held):
    return [canary for canary in CANARIES if canary in held.lower()]


WRITTEN = {"subject": "canarysubject", "text": "canarytext {{ customer.name }}", "html": "<p>canaryhtml</p>"}


async def a_canary(store):
    await store.send(order("1", "c1", email="canaryone@example.test", name="CanaryName"))
    params = {"source": store.source, "external_id": "c1"}
    found = (await store.api.get("/customers", params=params, headers=store.auth)).json()
    who = found["items"][0]["id"]
    await store.agree(who, "subscribed")
    return who


async def test_what_is_queued_for_the_erased_is_cancelled_and_says_nothing_any_more(
    store, database, clock, tmp_path, sql, capfd
):
    who = await a_canary(store)
    with structlog.testing.capture_logs() as lines:
        with sink(
            tmp_path, {"canaryone@example.test": ["450 4.2.0 <canaryone@example.test> CanaryName later"]}
        ) as smtp:
            message = await queued(store, who, personalise=True, **WRITTEN)
            await deliver(database, clock, smtp.url)
            assert canaries_in(await dump(sql)) == [*CANARIES]
            await store.erase(who)
            clock.now = NOW + timedelta(hours=1)
            await deliver(database, clock, smtp.url)

        whole = await seen(store, message)
    assert (whole["status"], whole["reason"], whole["customer"]) == ("cancelled", "erased", None)
    assert [whole[each] for each in ("subject", "text", "html", "attempts")] == [None, None, None, []]
    assert canaries_in(await dump(sql)) == []
    assert canaries_in(json.dumps(lines, default=str) + "".join(capfd.readouterr())) == []


async def test_an_address_that_is_refused_for_good_is_so_for_everybody_who_has_it(
    store, open_store, database, clock, smtp
):
    beside, foreign = await open_store(beside=store), await open_store()
    shared = {"email": "r5511@example.test"}
    ada = await customer(store, "ada", **shared)
    also = [(store, await customer(store, "eve", **shared)), (beside, await customer(beside, "ada", **shared))]
    others = [(store, await customer(store, "bob")), (foreign, await customer(foreign, "ada", **shared))]

    await queued(store, ada)
    await deliver(database, clock, smtp.url)

    for where, each in [(store, ada), *also]:
        assert (await known(where, each))[0] == "cleaned"
    for where, each in others:
        assert (await known(where, each))[0] == "subscribed"


@pytest.mark.parametrize("answered", ["250", "data 450 4.2.0 CanaryName later", "data 550 5.1.1 CanaryName unknown"])
async def test_who_is_erased_while_a_mail_is_under_way_does_not_come_back(
    store, database, clock, tmp_path, sql, capfd, answered
):
    who = await a_canary(store)
    with (
        structlog.testing.capture_logs() as lines,
        sink(tmp_path, {"canaryone@example.test": [answered]}, answer_delay_seconds=0.6) as smtp,
    ):
        message = await queued(store, who, personalise=True, **WRITTEN)
        async with delivering(database, clock, smtp.url):
            await until(lambda: is_now(store, message, "sending"))
            await store.erase(who)
            assert (await seen(store, message))["status"] == "sending"
            await until(lambda: has_ended(store, message))
        whole = await seen(store, message)
        clock.now = NOW + timedelta(hours=1)
        await deliver(database, clock, smtp.url)
        last = await seen(store, message)

    assert whole["attempt_count"] == 1
    assert [(each["detail"], bool(each["code"])) for each in whole["attempts"]] == [("", answered != "250")]
    assert last["status"] == {"2": "sent", "4": "cancelled", "5": "failed"}[answered.removeprefix("data ")[0]]
    assert (last["subject"], last["customer"]) == (None, None)
    assert canaries_in(await dump(sql)) == []
    assert await sql.fetchval("SELECT provider_id FROM messages") is None
    assert canaries_in(json.dumps(lines, default=str) + "".join(capfd.readouterr())) == []


async def has_ended(store, message):
    return not await is_now(store, message, "sending")


async def test_what_is_answered_during_an_erasure_is_forgotten_too(store, sql):
    who = await a_canary(store)
    message = number_in(await queued(store, who))
    async with sql.transaction():
        await sql.execute("SELECT FROM messages WHERE id = $1 FOR UPDATE", message)
        erasing = asyncio.create_task(store.erase(who))
        await until(lambda: somebody_waits(sql))
        await sql.execute(
            "INSERT INTO message_attempts (account_id, message_id, started_at, ended_at, outcome, code, detail)"
            " SELECT account_id, id, created_at, created_at, 'deferred', '450', 'CanaryName later' FROM messages"
        )
    await erasing

    assert canaries_in(await dump(sql)) == []


@pytest.mark.parametrize("ending", ["erased", "merged"])
async def test_who_goes_while_several_mails_are_settled_waits_for_them_in_the_same_order(store, sql, ending):
    await store.send(order("1", "ada"), order("2", None, email="guest@example.test"))
    found = await store.api.get(
        "/customers", params={"source": store.source, "email": "guest@example.test"}, headers=store.auth
    )
    guest = found.json()["items"][0]["id"]
    await store.agree(guest, "subscribed")
    first, second = [number_in(await queued(store, guest)) for _ in range(2)]
    # Queued by machines whose clocks differ.
    await sql.execute("UPDATE messages SET created_at = created_at - interval '1 second' WHERE id = $1", second)
    await sql.execute(
        "INSERT INTO messages (account_id, customer_id, kind, language, message_id, created_at, status)"
        " SELECT account_id, customer_id, kind, language, n, created_at, 'sent'"
        " FROM messages CROSS JOIN generate_series(1, 50) AS n"
    )
    await sql.execute("VACUUM ANALYZE messages")
    async with sql.transaction():
        await sql.execute("UPDATE messages SET attempts = 1 WHERE id = $1", first)
        merged = order("3", "ada", email="guest@example.test")
        going = asyncio.create_task(store.erase(guest) if ending == "erased" else store.send(merged))
        await until(lambda: somebody_waits(sql))
        await sql.execute("UPDATE messages SET attempts = 1 WHERE id = $1", second)
    await going

    gone = 404 if ending == "erased" else 308
    assert (await store.api.get(f"/customers/{guest}", headers=store.auth)).status_code == gone


async def test_who_is_erased_while_being_written_to_is_unknown(store, sql):
    who = await a_canary(store)
    async with sql.transaction():
        await sql.execute("UPDATE orders SET customer_id = NULL")
        for table in ("consent_changes", "addresses", "customers"):
            await sql.execute(f"DELETE FROM {table}")
        writing = asyncio.create_task(post(store, who))
        await until(lambda: somebody_waits(sql))
    problem(await writing, 404, "unknown_customer")


async def test_a_guest_who_is_written_to_while_becoming_a_customer_is_merged_all_the_same(store, sql):
    await store.send(order("1", "ada"), order("2", None, email="guest@example.test"))
    async with sql.transaction():
        await sql.execute(
            "INSERT INTO messages (account_id, customer_id, kind, language, subject, text, message_id, created_at)"
            " SELECT account_id, id, 'transactional', 'en', 's', 't', '<m@x>', now() FROM customers"
            " WHERE email = 'guest@example.test'"
        )
        merging = asyncio.create_task(store.post(order("3", "ada", email="guest@example.test")))
        await until(lambda: somebody_waits(sql))
    assert (await merging).status_code == 200
    heir = await sql.fetchval("SELECT c.external_id FROM messages AS m JOIN customers AS c ON c.id = m.customer_id")
    assert heir == "ada"


# ---------------------------------------------------------------- whose turn it is


async def flood(sql, store, customer_id, number, due=timedelta(0)):
    """Many messages to one customer."""
    await sql.execute(
        "INSERT INTO messages (account_id, customer_id, kind, language, subject, text, message_id, created_at, due_at)"
        " SELECT $1, $2, 'marketing', 'en', 's', 't', '<m' || n || '@x>', $4, $4::timestamptz + $5::interval"
        " FROM generate_series(1, $3::int) AS n",
        *(number_in(store.account), number_in(customer_id), number, NOW, due),
    )


async def test_an_account_sends_no_faster_than_its_rate_and_holds_up_nobody(
    store, open_store, database, clock, smtp, sql
):
    other = await open_store()
    await set_sender(other)
    await flood(sql, store, await customer(store, "ada"), 60)
    await queued(other, await customer(other, "bea"))
    limits = SendingLimits(rate_per_second=10, burst=5)

    sent = []
    for tenth in range(21):
        clock.now = NOW + timedelta(seconds=tenth / 10)
        await deliver(database, clock, smtp.url, limits)
        sent.append(len([mail for mail in smtp.taken if mail.recipient == "ada@example.test"]))
        assert "bea@example.test" in {mail.recipient for mail in smtp.taken}
    assert sent == [5 + tenth for tenth in range(21)]

    clock.now = NOW + timedelta(hours=1)
    await deliver(database, clock, smtp.url, limits)
    assert len(smtp.taken) == 25 + 1 + 5


@pytest.mark.parametrize("pool_size", [3])
async def test_a_message_under_a_lock_holds_up_no_other_account(store, open_store, database, clock, sql, tmp_path):
    other = await open_store()
    await set_sender(other)
    ada, bea = await customer(store, "ada"), await customer(other, "bea")
    with sink(tmp_path, answer_delay_seconds=0.3) as slow:
        async with delivering(database, clock, slow.url):
            locked = await queued(store, ada)
            await until(lambda: is_now(store, locked, "sending"))
            async with sql.transaction():
                await sql.execute("SELECT FROM messages WHERE id = $1 FOR UPDATE", number_in(locked))
                await until(lambda: somebody_waits(sql))
                theirs = await queued(other, bea)
                await until(lambda: is_now(other, theirs, "sent"), 10)
            await until(lambda: is_now(store, locked, "sent"))


@pytest.mark.parametrize("pool_size", [2])
async def test_a_few_leave_while_another_account_has_thousands_queued(store, open_store, database, clock, smtp, sql):
    other = await open_store()
    await set_sender(other)
    await flood(sql, store, await customer(store, "ada"), 3_000)
    people = await customers(other, *(f"few{number}" for number in range(10)))
    async with delivering(database, clock, smtp.url):
        await until(lambda: has_taken(smtp, 1))
        await queued_for_all(other, people.values())
        await until(lambda: nothing_waits(other))
        waiting = await sql.fetchval("SELECT count(*) FROM messages WHERE status = 'queued'")
    assert waiting > 1_000


async def test_what_a_purchase_calls_for_is_sent_to_who_left_but_never_to_a_dead_address(store, database, clock, smtp):
    people = await customers(store, "ada", "bea")
    messages = await queued_for_all(store, people.values(), kind="transactional")
    await store.agree(people["ada"], "unsubscribed")
    await store.agree(people["bea"], "cleaned")
    await deliver(database, clock, smtp.url)

    (mail,) = smtp.taken
    assert mail.recipient == "ada@example.test"
    assert "List-Unsubscribe" not in mail.parsed
    assert "unsubscribe" not in mail.content.decode().lower()
    assert [(await seen(store, each))["status"] for each in messages.values()] == ["sent", "cancelled"]


# ---------------------------------------------------------------- waking up


async def is_listening(sql):
    asked = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query ILIKE 'listen%'"
    return await sql.fetchval(asked) == 1


async def test_an_idle_worker_is_woken_by_what_is_queued(store, database, clock, smtp, sql, monkeypatch):
    monkeypatch.setattr(deliver_messages, "POLL_SECONDS", 60)
    ada = await customer(store, "ada")
    async with delivering(database, clock, smtp.url):
        await until(lambda: is_listening(sql))
        for number in (1, 2):
            await queued(store, ada)
            await until(lambda number=number: has_taken(smtp, number), seconds=10)


async def test_a_worker_that_cannot_listen_looks_by_itself(store, database, clock, smtp, monkeypatch):
    monkeypatch.setattr(database, "_direct_url", "postgresql://nobody@127.0.0.1:1/nowhere")
    ada = await customer(store, "ada")
    async with delivering(database, clock, smtp.url):
        await asyncio.sleep(0.1)
        await queued(store, ada)
        await until(lambda: has_taken(smtp, 1), seconds=10)


async def test_a_worker_whose_ear_was_cut_off_listens_again(store, database, clock, smtp, sql, postgres, monkeypatch):
    monkeypatch.setattr(deliver_messages, "POLL_SECONDS", 0.1)
    ada = await customer(store, "ada")
    async with delivering(database, clock, smtp.url):
        await until(lambda: is_listening(sql))
        await postgres.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query ILIKE 'listen%'")
        await until(lambda: is_listening(sql))
        await queued(store, ada)
        await until(lambda: has_taken(smtp, 1), seconds=10)


# ---------------------------------------------------------------- what goes over the wire

HEADERS = {
    *("From", "To", "Reply-To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type"),
    *("List-Unsubscribe", "List-Unsubscribe-Post"),
}
ENCODED_WORDS = ("Hi =?utf-8?q?=0ABcc:_victim=40y.test?=", "=?utf-8?b?SGkNCkJjYzogdmljdGltQHkudGVzdA==?=")
NOT_ONE_LINE = ("a\r\nBcc: victim@y.test", "a\nb", "a\rb", "a\x00b", "a\x7fb")


async def test_a_mail_has_these_headers_and_one_recipient_whatever_a_customer_is_called(
    store, database, clock, smtp, sql
):
    names = ["Ada", "", *ENCODED_WORDS, "a\r\nBcc: victim@y.test", 'q" <victim@y.test>, "', "Zoë ☕, Ltd.", "x" * 500]
    people = await customers(store, *(f"c{number}" for number in range(len(names))))
    for number, name in enumerate(names):
        await sql.execute("UPDATE customers SET name = $1 WHERE external_id = $2", name, f"c{number}")
    html = "<p onclick='x()'>Hi<script>alert(1)</script></p>"
    await queued_for_all(store, people.values(), personalise=True, text="{{ customer.name }}\r\n.\r\nend", html=html)
    await deliver(database, clock, smtp.url)

    assert sorted(mail.recipient for mail in smtp.taken) == sorted(f"{who}@example.test" for who in people)
    for mail in smtp.taken:
        assert Counter(mail.parsed.keys()) == Counter(HEADERS)
        assert [each.addr_spec for each in mail.parsed["To"].addresses] == [mail.recipient]
        assert mail.parsed.get_body(("plain",)).get_content().splitlines()[1:3] == [".", "end"]
        shown = mail.parsed.get_body(("html",)).get_content()
        assert "<p>Hi</p>" in shown
        assert "script" not in shown


async def test_addresses_in_every_script_are_reached(store, database, clock, smtp):
    for number, (address, reached) in enumerate(
        {
            "ada@bücher.example": "ada@xn--bcher-kva.example",
            "zoë@example.test": "zoë@example.test",
            "δοκιμή@παράδειγμα.example": "δοκιμή@xn--hxajbheg2az3al.example",
            "Ada+Tag@EXAMPLE.test": "ada+tag@example.test",
        }.items()
    ):
        message = await queued(store, await customer(store, f"c{number}", address))
        await deliver(database, clock, smtp.url)
        assert (await seen(store, message))["status"] == "sent"
        assert smtp.taken[-1].recipient == reached


async def test_an_address_that_is_not_one_reaches_nobody(store, database, clock, smtp, sql):
    wild = [
        *("b@x.test, v@y.test", "b@x.test;v@y.test", "b@x.test v@y.test", "b@x.test\r\nBcc: v@y.test"),
        *("b@x.test>\r\nRCPT TO:<v@y.test", "b@x.test\n", "<b@x.test>", "B <b@x.test>", "b@x.test,", "b", "@", ""),
        *("b@=?utf-8?q?x?=.test", '"b, v"@x.test', "b@[127.0.0.1]", "b@x..test", "b\x85@x.test"),
    ]
    people = await customers(store, *(f"c{number}" for number in range(len(wild))))
    messages = await queued_for_all(store, people.values())
    for number, address in enumerate(wild):
        await sql.execute("UPDATE customers SET email = $1 WHERE external_id = $2", address, f"c{number}")
    await deliver(database, clock, smtp.url)

    assert smtp.taken == []
    for who, message in messages.items():
        whole = await seen(store, message)
        assert (whole["status"], whole["attempts"][0]["code"]) == ("failed", "bad_address")
        assert (await known(store, who))[0] == "cleaned"


async def test_what_could_begin_another_header_is_refused(store):
    ada = await customer(store, "ada")
    for text in (*ENCODED_WORDS, *NOT_ONE_LINE, "s" * 1000, "\ud800"):
        for body in ({"subject": text}, {"subject": text, "personalise": True}):
            answer = await post_raw(store, "/messages", {"customer": ada, "text": "t"} | body)
            assert pointers(answer) == ["#/subject"], text
        for field in ("name", "email", "reply_to"):
            answer = await post_raw(store, "/account", {"sender": SENDER | {field: text}}, "PATCH")
            assert pointers(answer) == [f"#/sender/{field}"], text
    for address in ("a@x.test, v@y.test", "A <a@x.test>"):
        answer = await post_raw(store, "/account", {"sender": SENDER | {"reply_to": address}}, "PATCH")
        assert pointers(answer) == ["#/sender/reply_to"]
    large = await post(store, ada, text="t" * 10_000_000)
    problem(large, 413, "body_too_large")
    assert await all_seen(store) == {}


async def post_raw(store, path, body, method="POST"):
    """Text that JSON can escape and httpx would not."""
    headers = store.auth | key() | {"Content-Type": "application/json"}
    return await store.api.request(method, path, content=json.dumps(body), headers=headers)


# ---------------------------------------------------------------- what it costs


async def test_writing_to_one_and_to_many_takes_as_many_statements(store, statements):
    people = await customers(store, *(f"c{number}" for number in range(50)))
    await queued_for_all(store, [people["c0"]])
    counts = []
    for names in (["c1"], [f"c{number}" for number in range(2, 50)]):
        with statements.during() as ran:
            await queued_for_all(store, [people[name] for name in names])
        counts.append(len(ran))
    with statements.during() as ran:
        await queued(store, people["c0"])

    assert counts[0] == counts[1] <= 8
    assert len(ran) <= 9


async def test_a_claim_takes_as_many_statements_whatever_it_takes(store, database, statements, sql):
    people = await customers(store, *(f"c{number}" for number in range(60)))
    await queued_for_all(store, people.values())
    await sql.execute("UPDATE customers SET marketing = 'unsubscribed' WHERE id % 2 = 0")
    costs = []
    for most in (2, 8, 50):
        async with database.write() as conn:
            with statements.during() as ran:
                taken = await claim(conn, number_in(store.account), most=most, alone=True, limits=FAST, now=NOW)
        costs.append((len(taken.messages) + taken.closed, len(ran)))
    assert costs == [(2, 6), (8, 6), (50, 6)]


async def test_the_queue_and_the_lists_are_read_along_their_indexes(store, open_store, sql):
    await flood(sql, store, await customer(store, "ada"), 20_000, timedelta(days=1))
    busy = await open_store()
    bea = await customer(busy, "bea")
    await flood(sql, busy, bea, 20_000)
    await sql.execute("UPDATE messages SET due_at = NULL, status = 'sent' WHERE id % 2 = 0")
    await sql.execute("VACUUM ANALYZE messages")
    await sql.execute("SET plan_cache_mode = force_generic_plan")
    await sql.execute("SET enable_seqscan = off")
    account = {
        "account_id": number_in(busy.account),
        "now": NOW,
        "most": 20,
        "in_flight": [],
        "limit": 51,
        "status": "sent",
    }
    account |= {"customer": number_in(bea), "since": NOW - timedelta(days=1), "after_created_at": NOW, "after_id": 9}
    account |= {"in_flight": []}
    pages = [set(), {"of_customer"}, {"of_status"}, {"since"}, {"continued"}, {"of_customer", "continued"}]
    pages += [{"of_status", "continued"}]
    for statement, index in (
        (SELECT_NEXT_ACCOUNT, "messages_due_idx"),
        (CLAIM_DUE, "messages_due_idx"),
        *((page_of(each), f"messages_account_id_{by(each)}created_at_id_idx") for each in pages),
    ):
        plan = await plan_of(sql, statement, account | {"after": 0})
        used = [node["Index Name"] for node in plan.nodes if "Index Name" in node]
        # A message of a store that is being deleted is left out: its customer and source are looked up.
        assert [name for name in used if name.startswith("messages")] == [index], plan.nodes
        assert [node for node in plan.nodes if "Sort" in node["Node Type"]] == []
        assert plan.blocks < 250, (str(statement), plan.blocks)


def page_of(conditions):
    flags = ("of_customer", "of_status", "since", "continued")
    return select_messages(**{flag: flag in conditions for flag in flags})


def by(conditions):
    return "customer_id_" if "of_customer" in conditions else "status_" if "of_status" in conditions else ""
