"""Delivery: what becomes of a message between its queue and a server that takes it, refuses it or says nothing."""

import random
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
import trustme
from answers import problem
from conftest import NOW, OPERATOR
from hypothesis import example, given
from hypothesis import strategies as st
from mail_sinks import smtp_sink
from postal import (
    SENDER,
    Postbox,
    all_seen,
    consent,
    customer,
    customers,
    deliver,
    erase,
    known,
    post,
    queued,
    queued_for_all,
    seen,
    set_sender,
)

from app.messages.backoff import (
    JITTER,
    LONGEST_TRYING,
    MOST_ATTEMPTS,
    WAITS_SECONDS,
    GivenUp,
    next_attempt,
    wait_seconds,
)
from app.messages.mail import Deferred
from app.messages.mailers import smtp as smtp_mailer

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
        "later": ["450 4.2.0 greylisted", "450 4.2.0 greylisted", "250"],
        "never": ["451 4.3.0 later"],
        "out": ["450 4.2.0 greylisted"],
        "refused": ["450 4.2.0 greylisted", "250"],
    }.items()
} | {
    "cold@shop.example": ["535 5.7.8 authentication failed", "250"],
    "mended@shop.example": ["535 5.7.8 authentication failed", "250"],
    "unpaid-relay@shop.example": ["535 5.7.8 authentication failed", "250"],
}


@pytest.fixture(autouse=True)
def midday(clock):
    clock.now = NOW


@pytest.fixture
async def store(open_store):
    store = await open_store()
    await set_sender(store)
    return store


@pytest.fixture(scope="module")
def shared_sink(tmp_path_factory):
    with smtp_sink(tmp_path_factory.mktemp("smtp") / "taken.jsonl", SCRIPT) as running:
        yield running


@pytest.fixture
def smtp(shared_sink):
    return Postbox(shared_sink, len(shared_sink.taken))


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
        (attempt,) = whole["log"]
        assert (whole["status"], whole["reason"], whole["attempts"]) == (status, reason, 1), name
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
        cleaned = ("cleaned", [("subscribed", "key_1"), ("cleaned", "bounce")])
        assert await known(store, people[name]) == (
            cleaned if name in OF_THE_ADDRESS else ("subscribed", [("subscribed", "key_1")])
        ), name
    assert [mail.recipient for mail in smtp.taken] == ["fine@example.test"]
    assert await paused(store) is None


async def test_a_cleaned_address_is_not_written_to_until_the_shop_says_otherwise(store, database, clock, smtp):
    ada = await customer(store, "r5511")
    await queued(store, ada)
    await deliver(database, clock, smtp.url)

    for kind in ("marketing", "transactional"):
        body = problem_with_reason(await post(store, ada, kind=kind))
        assert body["reason"] == "cleaned"
    await consent(store, ada, "subscribed")
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
    assert (whole["status"], whole["maybe_duplicate"], whole["attempts"]) == ("sent", True, 2)
    assert [each["outcome"] for each in whole["log"]] == ["deferred", "accepted"]
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
    assert (whole["status"], whole["attempts"], whole["maybe_duplicate"]) == ("queued", 2, False)
    assert [(each["outcome"], each["code"]) for each in whole["log"]] == [("deferred", "tls")] * 2
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
    assert (whole["status"], whole["attempts"]) == ("queued", 0)
    assert [(each["outcome"], each["code"]) for each in whole["log"]] == [("misconfigured", "535 5.7.8")]
    pause = {"until": after(600), "because": "535 5.7.8 5.7.8 authentication failed"}
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


async def test_a_sender_that_is_set_anew_ends_the_pause_at_once(store, database, clock, smtp):
    await set_sender(store, email="mended@shop.example")
    message = await queued(store, await customer(store, "ada"))
    await deliver(database, clock, smtp.url)
    assert await paused(store) is not None

    assert (await set_sender(store)).json()["sending_paused"] is None
    await deliver(database, clock, smtp.url)

    assert (await seen(store, message))["status"] == "sent"
    assert [mail.sender for mail in smtp.taken] == [SENDER["email"]]


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
    assert (later["status"], later["attempts"]) == ("sent", 3)

    begun = clock.now
    out = await queued(store, people["out"])
    await deliver(database, clock, smtp.url)
    clock.now = begun + timedelta(hours=23, minutes=58)
    whole = await tried_until_it_ends(store, database, clock, smtp.url, out)
    assert (whole["status"], whole["reason"], whole["attempts"]) == ("failed", "tried_for_too_long", 2)

    never = await tried_until_it_ends(store, database, clock, smtp.url, await queued(store, people["never"]))
    moments = [NOW.fromisoformat(each["started_at"]) for each in never["log"]]
    for wait, base in zip(map(lambda a, b: (b - a).total_seconds(), moments, moments[1:]), WAITS_SECONDS, strict=False):
        assert base * (1 - JITTER) <= wait <= base * (1 + JITTER)
    assert never["status"] == "failed"
    assert moments[-1] - moments[0] <= LONGEST_TRYING
    assert (never["reason"], never["attempts"]) in {("too_many_attempts", 8), ("tried_for_too_long", 7)}


async def test_eight_attempts_are_the_end_when_chance_keeps_them_within_a_day(
    store, database, clock, smtp, monkeypatch
):
    monkeypatch.setattr("app.messages.settle_messages.random.random", lambda: 0.0)
    message = await queued(store, await customer(store, "never"))
    whole = await tried_until_it_ends(store, database, clock, smtp.url, message)
    assert (whole["status"], whole["reason"], whole["attempts"]) == ("failed", "too_many_attempts", 8)
    assert len(whole["log"]) == 8


async def test_while_a_login_is_refused_the_day_of_trying_has_not_begun(store, database, clock, smtp):
    await set_sender(store, email="unpaid-relay@shop.example")
    message = await queued(store, await customer(store, "refused"))
    await deliver(database, clock, smtp.url)

    clock.now = NOW + timedelta(days=3)
    await deliver(database, clock, smtp.url)
    whole = await seen(store, message)
    assert (whole["status"], whole["attempts"]) == ("queued", 1)
    assert (await tried_until_it_ends(store, database, clock, smtp.url, message))["status"] == "sent"


async def test_what_waits_out_a_dead_server_is_all_sent_when_it_is_back(store, database, clock, smtp):
    people = await customers(store, *(f"c{number}" for number in range(30)))
    await queued_for_all(store, people.values())
    for _ in range(5):
        await deliver(database, clock, "smtp://127.0.0.1:1")
        clock.now += timedelta(hours=3)
    assert {(row["status"], row["attempts"]) for row in (await all_seen(store)).values()} == {("queued", 5)}

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
