"""Messages: who may send what to whom, and what they are answered."""

import asyncio
import json
from datetime import timedelta

import asyncpg
import httpx
import pytest
from answers import problem
from conftest import NOW
from postal import SENDER, customer, deliver, key, post, queued, seen, set_sender, sink
from shop import OPERATOR, order
from sqlalchemy import text

from app.accounts import answer_once
from app.words import Language

pytestmark = pytest.mark.usefixtures("among_others", "midday")

OPERATOR_AUTH = {"Authorization": f"Bearer {OPERATOR}"}


@pytest.mark.alone
async def test_a_message_is_queued_sent_and_seen(store, database, clock, tmp_path):
    ada = await customer(store, "ada")

    answer = await post(
        store, ada, subject="Für dich, Ada ☕", text="Ein Wort.\n", html="<p>Ein <b>Wort</b></p>", language="de"
    )
    message = answer.json()["id"]
    with sink(tmp_path) as smtp:
        await deliver(database, clock, smtp.url)
        (mail,) = smtp.taken

    assert answer.status_code == 202
    assert answer.headers["Location"] == f"/messages/{message}"
    assert answer.json()["status"] == "queued"
    whole = await seen(store, message)
    assert (whole["status"], whole["attempt_count"], whole["attempts"][0]["outcome"]) == ("sent", 1, "accepted")
    assert (mail.recipient, mail.sender, mail.message_id) == (
        "ada@example.test",
        "hello@shop.example",
        whole["message_id"],
    )
    parsed = mail.parsed
    assert parsed["Subject"] == "Für dich, Ada ☕"
    assert str(parsed["From"]) == "Ada's shop <hello@shop.example>"
    assert parsed["Reply-To"] == "care@shop.example"
    assert parsed["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert parsed["List-Unsubscribe"].startswith("<https://loyal.shop.example/unsubscribe/")
    text = parsed.get_body(("plain",)).get_content()
    assert "Ein Wort." in text
    assert "Via Roma 1" in text
    assert parsed["List-Unsubscribe"].strip("<>") in text
    assert "<b>Wort</b>" in parsed.get_body(("html",)).get_content()
    (exported,) = (await store.api.get(f"/customers/{ada}/export", headers=store.auth)).json()["messages"]
    assert "queued as" in exported["provider_id"]


# ---------------------------------------------------------------- who may send what to whom


async def test_a_free_account_is_told_about_the_plan_before_anything_else_and_nothing_is_stored(open_store, sql):
    store = await open_store(plan="free")
    await set_sender(store)
    ada = await customer(store, "ada")
    bodies = (b"", b"{", b"x" * 2_000_000, json.dumps({"customer": ada, "subject": "s", "text": "t"}).encode())
    for path in ("/messages", "/messages/batch", "/messages/preview"):
        for body in bodies:
            for headers in ({}, key(), {"Content-Type": "application/json"}):
                answer = await store.api.post(path, content=body, headers=store.auth | headers)
                problem(answer, 403, "plan_required")

    assert await store.count("messages") == 0
    assert await store.count("idempotency_keys") == 0


async def test_a_plan_lost_a_moment_ago_counts_though_the_key_is_remembered(store, api, sql):
    ada = await customer(store, "ada")
    await api.patch(f"/accounts/{store.account}", json={"plan": "free"}, headers=OPERATOR_AUTH)

    problem(await post(store, ada), 403, "plan_required")
    assert await store.count("messages") == 0


async def test_without_a_sender_nothing_is_sent_and_the_answer_tells_what_to_do(open_store):
    store = await open_store()
    ada = await customer(store, "ada")

    answer = problem(await post(store, ada), 409, "sender_required")

    assert "PATCH /account" in answer["detail"]
    await set_sender(store)
    assert (await post(store, ada)).status_code == 202


@pytest.mark.parametrize(
    ("marketing", "kind", "reason"),
    [
        ("subscribed", "marketing", None),
        ("subscribed", "transactional", None),
        ("unsubscribed", "marketing", "unsubscribed"),
        ("unsubscribed", "transactional", None),
        ("non_subscribed", "marketing", "non_subscribed"),
        ("non_subscribed", "transactional", None),
        ("cleaned", "marketing", "cleaned"),
        ("cleaned", "transactional", "cleaned"),
    ],
)
async def test_consent_decides_who_may_be_written_to(store, sql, marketing, kind, reason):
    ada = await customer(store, "ada", marketing=marketing)

    answer = await post(store, ada, kind=kind)

    if reason is None:
        assert answer.status_code == 202
        return
    assert problem(answer, 409, "recipient_not_messageable")["reason"] == reason
    assert await store.count("messages") == 0


async def test_a_customer_without_an_address_is_not_messageable(store):
    ada = await customer(store, "ada", email=None)
    assert problem(await post(store, ada), 409, "recipient_not_messageable")["reason"] == "no_address"


@pytest.mark.parametrize(
    "fields",
    [
        {"subject": "a\nBcc: v@example.test"},
        {"subject": "a\rb"},
        {"subject": "a\x85b"},
        {"subject": "a\u2028b"},
        {"subject": "Hi =?utf-8?q?=0ABcc:_victim=40example.test?="},
        {"subject": "x" * 1000},
        {"subject": " "},
        {"subject": None},
        {"text": None},
        {"text": "\0"},
        {"text": ""},
        {"text": "x" * 100_001},
        {"html": "<p>" * 3_000},
        {"kind": "spam"},
        {"bcc": "v@example.test"},
        {"from": "v@example.test"},
        {"status": "sent"},
        {"template": "early_access"},
        {"variables": {"a": "b"}},
        {"language": "fr"},
        {"subject": None, "text": None, "template": "early_access"},
        {"subject": None, "text": None, "template": "early_access", "variables": {"release": "x", "link": "ftp://x"}},
        {"subject": None, "text": None, "template": "nothing"},
        {"text": "{{ customer.password }}", "personalise": True},
        {"text": "{% for i in (1..100000000) %}x{% endfor %}", "personalise": True},
    ],
)
async def test_what_cannot_be_written_is_refused_with_where_and_why(store, sql, fields):
    ada = await customer(store, "ada")

    answer = await post(store, ada, **fields)

    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert await store.count("messages") == 0


async def test_a_body_of_ten_megabytes_is_refused(store):
    ada = await customer(store, "ada")
    problem(await post(store, ada, text="x" * 10_000_000), 413, "body_too_large")


async def test_html_is_cleaned_before_it_is_stored(store):
    ada = await customer(store, "ada")
    html = '<p onclick="x()">Hi<script>steal()</script><a href="javascript:x()">a</a><a href="https://b.test">b</a></p>'

    whole = await seen(store, await queued(store, ada, html=html))

    assert "script" not in whole["html"]
    assert "onclick" not in whole["html"]
    assert 'href="https://b.test"' in whole["html"]


@pytest.mark.parametrize("html", ["<script>steal()</script>\n", "{% if rank.place %}<p>Well done!</p>{% endif %}"])
async def test_html_of_which_nothing_is_left_leaves_the_text_alone(store, html):
    ada = await customer(store, "ada")

    whole = await seen(store, await queued(store, ada, html=html, personalise="rank" in html))

    assert (whole["text"], whole["html"]) == ("A word.\n", None)


# ---------------------------------------------------------------- repeated requests


async def test_a_request_repeated_with_its_key_is_done_once_and_answered_the_same(store, sql):
    ada = await customer(store, "ada")
    once = key()

    first = await post(store, ada, once)
    again = await post(store, ada, {"Idempotency-Key": f'"{once["Idempotency-Key"]}"'})

    assert (first.status_code, again.status_code) == (202, 202)
    assert (again.content, again.headers["Location"]) == (first.content, first.headers["Location"])
    assert again.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.headers
    assert await store.count("messages") == 1


async def test_a_key_is_needed_is_of_one_request_and_of_one_account(store, open_store, clock):
    ada, once = await customer(store, "ada"), key()
    other = await open_store()
    await set_sender(other)
    bea = await customer(other, "bea")

    problem(await post(store, ada, {"X-None": "1"}), 400, "idempotency_key_required")
    for wrong in ("", "x" * 256, "a b", '"'):
        problem(await post(store, ada, {"Idempotency-Key": wrong}), 422, "invalid_request")
    assert (await post(store, ada, once)).status_code == 202
    problem(await post(store, ada, once, subject="Another"), 422, "idempotency_key_reused")
    written_out = await post(store, ada, once, kind="marketing", personalise=False)
    assert (written_out.status_code, written_out.headers["Idempotent-Replayed"]) == (202, "true")
    theirs = await post(other, bea, once)
    assert (theirs.status_code, "Idempotent-Replayed" in theirs.headers) == (202, False)

    clock.now += timedelta(hours=25)
    assert "Idempotent-Replayed" not in (await post(store, ada, once, subject="Another")).headers


async def test_keys_that_differ_by_a_quote_are_two(store, sql):
    ada = await customer(store, "ada")
    for once in ("spring", 'spring"', '"spring""', '"""'):
        answer = await post(store, ada, {"Idempotency-Key": once})
        assert answer.status_code == 202
        assert ("Idempotent-Replayed" in answer.headers) == (once == '"spring""')
    assert await store.count("messages") == 3


async def test_what_was_refused_may_be_repeated_with_the_same_key(store):
    ada, once = await customer(store, "ada", marketing="unsubscribed"), key()
    problem(await post(store, ada, once), 409, "recipient_not_messageable")
    await store.agree(ada, "subscribed")
    assert (await post(store, ada, once)).status_code == 202


async def test_other_posts_take_a_key_too(store, sql):
    headers = store.auth | key()
    made = [await store.api.post("/audiences", json={"name": "More"}, headers=headers) for _ in range(3)]
    assert {answer.text for answer in made} == {made[0].text}
    assert await store.count("audiences") == 2


@pytest.mark.alone
class TestAtOnce:
    @pytest.fixture
    def pool_size(self) -> int:
        return 10

    async def test_of_many_requests_with_one_key_at_once_one_is_done(self, store):
        ada = await customer(store, "ada")
        keys = [key() for _ in range(4)]

        answers = await asyncio.gather(*(post(store, ada, each) for each in keys for _ in range(10)))

        assert {answer.status_code for answer in answers} <= {202, 409, 503}
        assert len({a.text for a in answers if a.status_code == 202}) == 4
        assert await store.count("messages") == 4

    async def test_a_request_whose_first_is_still_running_is_told_so(self, store, urls, monkeypatch):
        ada, once = await customer(store, "ada"), key()
        monkeypatch.setattr(answer_once, "LIMIT_LOCK_WAIT", text("SET LOCAL lock_timeout = '200ms'"))
        other = await asyncpg.connect(urls.write)
        async with other.transaction():
            await other.execute(
                "INSERT INTO idempotency_keys (account_id, operation, key, fingerprint, created_at)"
                " VALUES ($1, 'sendMessage', $2, '', $3)",
                int(store.account.removeprefix("acc_")),
                once["Idempotency-Key"],
                NOW,
            )
            answer = await post(store, ada, once)
        await other.close()

        problem(answer, 409, "request_in_progress")
        assert answer.headers["Retry-After"] == "2"


# ---------------------------------------------------------------- looking and taking back


async def test_messages_are_listed_newest_first_by_customer_status_and_time(store, clock):
    ada, bea = await customer(store, "ada"), await customer(store, "bea")
    sent = []
    for number in range(7):
        clock.now += timedelta(minutes=1)
        sent.append(await queued(store, ada if number % 2 else bea, subject=f"No. {number}"))
    await store.api.delete(f"/messages/{sent[1]}", headers=store.auth)

    async def listed(**question):
        found, cursor = [], None
        while True:
            more = {"cursor": cursor} if cursor else {}
            answer = await store.api.get("/messages", params=question | more, headers=store.auth)
            assert answer.status_code == 200, answer.text
            found += [row["id"] for row in answer.json()["items"]]
            cursor = answer.json()["next_cursor"]
            if cursor is None:
                return found
            assert 'rel="next"' in answer.headers["Link"]

    assert await listed(limit=2) == sent[::-1]
    assert await listed(customer=ada, limit=1) == [sent[5], sent[3], sent[1]]
    assert await listed(status="cancelled") == [sent[1]]
    assert await listed(status="queued", customer=bea) == [sent[6], sent[4], sent[2], sent[0]]
    assert await listed(since=(NOW + timedelta(minutes=6)).isoformat(), limit=1) == sent[:4:-1]
    problem(await store.api.get("/messages", params={"status": "lost"}, headers=store.auth), 422, "invalid_request")


@pytest.mark.alone
async def test_a_queued_message_can_be_cancelled_and_is_not_sent(store, database, clock, tmp_path):
    ada = await customer(store, "ada")
    message = await queued(store, ada)

    for _ in range(2):
        assert (await store.api.delete(f"/messages/{message}", headers=store.auth)).status_code == 204
    with sink(tmp_path) as smtp:
        await deliver(database, clock, smtp.url)
        assert smtp.taken == []

    whole = await seen(store, message)
    assert (whole["status"], whole["reason"], whole["next_attempt_at"]) == ("cancelled", "by_request", None)


@pytest.mark.alone
async def test_what_is_sent_cannot_be_cancelled(store, database, clock, tmp_path):
    message = await queued(store, await customer(store, "ada"))
    with sink(tmp_path) as smtp:
        await deliver(database, clock, smtp.url)
    problem(await store.api.delete(f"/messages/{message}", headers=store.auth), 409, "message_not_queued")


async def test_profile_and_export_hold_the_messages(store):
    ada = await customer(store, "ada")
    sent = [await queued(store, ada, subject=f"No. {number}") for number in range(12)]

    profile = (await store.api.get(f"/customers/{ada}", headers=store.auth)).json()
    export = (await store.api.get(f"/customers/{ada}/export", headers=store.auth)).json()

    assert [row["id"] for row in profile["messages"]] == sent[:1:-1]
    assert [row["id"] for row in export["messages"]] == sent[::-1]
    assert export["messages"][0]["text"] == "A word.\n"


# ---------------------------------------------------------------- templates and batches


@pytest.mark.parametrize("language", Language)
async def test_every_template_can_be_sent_as_it_is_listed(store, language):
    ada = await customer(store, "ada")
    wished = store.auth | {"Accept-Language": language}
    listed = (await store.api.get("/messages/templates", headers=wished)).json()["items"]
    assert len(listed) == 6
    for template in listed:
        variables = {each["name"]: each["example"] for each in template["variables"]}
        words = {"template": template["name"], "variables": variables, "language": language}
        preview = await store.api.post("/messages/preview", json={"customer": ada} | words, headers=store.auth)
        assert preview.status_code == 200, preview.text
        whole = await seen(store, await queued(store, ada, subject=None, text=None, **words))
        assert (whole["template"], whole["language"]) == (template["name"], language)
        assert whole["subject"] == preview.json()["subject"]
        assert preview.json()["text"].startswith(whole["text"].rstrip())
        assert SENDER["postal_address"].splitlines()[0] in preview.json()["text"]


async def test_the_language_is_that_of_the_request_else_of_the_customer_else_english(store):
    ada, bea = await customer(store, "ada"), await customer(store, "bea")
    changed = await store.api.patch(f"/customers/{ada}", json={"language": "it"}, headers=store.auth)
    assert (changed.json()["language"], changed.json()["marketing"]) == ("it", "subscribed")

    await store.api.patch(f"/customers/{bea}", json={"language": "de"}, headers=store.auth)
    forgotten = await store.api.patch(f"/customers/{bea}", json={"language": None}, headers=store.auth)
    assert forgotten.json()["language"] is None

    asked = [(ada, {}), (ada, {"language": "es"}), (bea, {})]
    written = [await seen(store, await queued(store, who, **fields)) for who, fields in asked]

    assert [message["language"] for message in written] == ["it", "es", "en"]


async def test_a_text_may_speak_of_the_customer_and_their_place(store):
    await store.sold(("bea", "90.00"), on="2026-02-10")
    await store.sold(("ada", "50.00"), on="2026-02-10")
    ada = await customer(store, "ada")
    words = {
        "subject": "{{ customer.name }}!",
        "text": "Place {{ rank.place }} in {{ store.name }}: {{ rank.metric }}.",
    }

    personal = await seen(store, await queued(store, ada, personalise=True, **words))

    assert (personal["subject"], personal["text"]) == ("Ada!", "Place 2 in Shop: Total spend.")


RANKED_TEXT = (
    "{{ rank.place }} {{ rank.metric }} {{ rank.time_frame }} {{ rank.number_of_purchases }} {{ rank.total_spend }}"
)


async def ranked_store(store):
    """Ada has spent most last year and bought least often; Bea leads in purchases. Last month only Bea bought."""
    await store.sold(("ada", "900.00"), ("bea", "1.00"), ("bea", "2.00"), on="2025-06-10")
    await store.sold(("bea", "7.50"), on="2026-02-10")
    return await customer(store, "ada"), await customer(store, "bea")


@pytest.mark.parametrize(
    ("rank_from", "place", "told"),
    [
        (None, None, "1 Total spend Last month 1 €7.50"),
        ({}, None, "1 Total spend Last month 1 €7.50"),
        ({"time_frame": "last_year"}, "1 Total spend Last year 1 €900.00", "2 Total spend Last year 2 €3.00"),
        (
            {"rank_by": "number_of_purchases", "time_frame": "last_year"},
            "2 Number of purchases Last year 1 €900.00",
            "1 Number of purchases Last year 2 €3.00",
        ),
    ],
)
async def test_the_rank_that_a_mail_tells_is_of_the_board_that_was_looked_at(store, rank_from, place, told):
    ada, bea = await ranked_store(store)
    fields = {"personalise": True, "text": RANKED_TEXT, "rank_from": rank_from}
    batch = {"subject": "Hello", "to": {"customers": [bea, ada]}} | fields

    alone = [(await seen(store, await queued(store, who, **fields)))["text"].strip() for who in (ada, bea)]
    previews = [
        await store.api.post("/messages/preview", json={"subject": "s", "customer": who} | fields, headers=store.auth)
        for who in (ada, bea)
    ]
    together = await store.api.post("/messages/batch", json=batch, headers=store.auth | key())
    written = [(await seen(store, line["message"]))["text"].strip() for line in together.json()["results"]]

    assert alone == written[::-1] == [place or "", told]
    assert all(preview.json()["text"].startswith(text) for preview, text in zip(previews, alone, strict=True))


async def test_a_batch_to_the_top_of_a_board_tells_the_ranks_of_that_board(store):
    await ranked_store(store)
    top = store.board(limit=10, rank_by="number_of_purchases", time_frame="last_year")
    body = {"subject": "Hello", "text": RANKED_TEXT, "personalise": True, "to": {"top": top}}

    answer = await store.api.post("/messages/batch", json=body, headers=store.auth | key())
    written = [(await seen(store, line["message"]))["text"] for line in answer.json()["results"]]
    wrong = body | {"rank_from": {"rank_by": "total_spend"}}
    refused = await store.api.post("/messages/batch", json=wrong, headers=store.auth | key())

    assert written == ["1 Number of purchases Last year 2 €3.00", "2 Number of purchases Last year 1 €900.00"]
    problem(refused, 422, "invalid_request")


@pytest.mark.parametrize(
    "wrong", [{"time_frame": "custom"}, {"rank_by": "beauty"}, {"as_of": "2026-01-01"}, "last_year"]
)
async def test_a_rank_is_of_a_board_that_is_kept(store, wrong):
    ada = await customer(store, "ada")
    problem(await post(store, ada, rank_from=wrong), 422, "invalid_request")


async def batch(store, to: dict, headers: dict | None = None, **fields) -> httpx.Response:
    body = {"to": to} | (fields or {"subject": "Hello", "text": "A word."})
    return await store.api.post("/messages/batch", json=body, headers=store.auth | (headers or key()))


async def test_a_batch_checks_each_recipient_and_tells_what_became_of_each(store, open_store, sql):
    ada, bea = await customer(store, "ada"), await customer(store, "bea", marketing="unsubscribed")
    other = await open_store()
    foreign = await customer(other, "eve")
    once = key()

    answer = await batch(store, {"customers": [ada, bea, foreign, "cus_999", "nonsense", "cus_01", ada]}, once)
    again = await batch(store, {"customers": [ada, bea, foreign, "cus_999", "nonsense", "cus_01", ada]}, once)

    assert answer.status_code == 202, answer.text
    told = answer.json()
    assert (told["queued"], told["refused"], told["next_cursor"]) == (1, 5, None)
    results = {row["customer"]: (row["code"], row["reason"]) for row in told["results"]}
    assert results == {
        ada: (None, None),
        bea: ("recipient_not_messageable", "unsubscribed"),
        **dict.fromkeys((foreign, "cus_999", "nonsense", "cus_01"), ("unknown_customer", None)),
    }
    assert (again.content, again.headers["Idempotent-Replayed"]) == (answer.content, "true")
    assert await store.count("messages") == 1


async def test_a_batch_goes_to_the_first_of_a_board_who_are_told_their_place(store):
    for name, spend in (("ada", "50.00"), ("bea", "90.00"), ("cyd", "70.00")):
        await customer(store, name)
        await store.sold((name, spend), on="2026-02-10")

    answer = await batch(
        store,
        {"top": store.board(limit=2, time_frame="last_month")},
        subject="Place {{ rank.place }}",
        text="Of {{ customer.name }}",
        personalise=True,
    )

    told = [await seen(store, row["message"]) for row in answer.json()["results"]]
    assert [(row["subject"], row["text"]) for row in told] == [("Place 1", "Of Bea"), ("Place 2", "Of Cyd")]


async def test_a_batch_goes_to_the_vips_and_on_where_it_ended(store):
    await store.sold(*((f"small-{number}", "1.00") for number in range(20)))
    best = [await customer(store, name) for name in ("ada", "bea", "cyd")]
    for name, spend in (("ada", "300.00"), ("bea", "200.00"), ("cyd", "100.00")):
        await store.sold((name, spend))

    first = (await batch(store, {"vips": store.board(limit=2)})).json()
    second = (await batch(store, {"vips": store.board(limit=2, cursor=first["next_cursor"])})).json()

    assert [row["customer"] for row in first["results"] + second["results"]] == best
    assert second["next_cursor"] is None
    problem(await batch(store, {"vips": store.board(cursor="x" * 40)}), 400, "invalid_cursor")


async def test_a_batch_names_its_recipients_in_one_way_and_of_its_own_account(store, open_store):
    other = await open_store()
    theirs = {"audience": other.audience, "source": other.source, "limit": 5}
    for to in ({"vips": theirs}, {"top": theirs}, {"top": theirs | {"source": "x"}}):
        problem(await batch(store, to), 404, "unknown_source")
    for to in ({}, {"customers": []}, {"customers": ["cus_1"], "top": theirs}, {"customers": ["cus_1"] * 1001}):
        problem(await batch(store, to), 422, "invalid_request")


async def test_a_thousand_are_written_to_in_one_request_and_few_statements(store, statements):
    rows = [order(f"o{n}", f"c{n}", email=f"c{n}@example.test", name=f"C {n}") for n in range(1000)]
    for begin in (0, 500):
        await store.send(*rows[begin : begin + 500])
    found = await store.api.get("/customers", params={"source": store.source, "limit": 1000}, headers=store.auth)
    everyone = [row["id"] for row in found.json()["items"]]

    with statements.during() as ran:
        answer = await batch(
            store,
            {"customers": everyone},
            subject="{{ customer.name }}",
            text="t",
            personalise=True,
            kind="transactional",
        )

    assert answer.json()["queued"] == 1000
    assert len([sql for _, sql in ran if not sql.startswith(("SET", "BEGIN"))]) <= 12


OVERLAPPING = "".join(f"<p><b title={number}>x" for number in range(100))


@pytest.mark.parametrize(
    "large",
    [
        {"text": "x" * 99_999},
        {"text": "{{ customer.name }}" * 200, "personalise": True},
        {"text": "t", "html": OVERLAPPING},
        {"text": "t", "html": OVERLAPPING + "{{ customer.name }}", "personalise": True},
    ],
)
async def test_so_much_text_to_so_many_that_it_would_fill_the_memory_is_refused(store, sql, large):
    rows = [order(f"o{n}", f"c{n}", email=f"c{n}@example.test", name="N" * 200) for n in range(510)]
    await store.send(*rows)
    found = await store.api.get("/customers", params={"source": store.source, "limit": 1000}, headers=store.auth)
    everyone = {"customers": [row["id"] for row in found.json()["items"]]}

    answer = await batch(store, everyone, subject="s", kind="transactional", **large)

    problem(answer, 413, "batch_too_large")
    assert await store.count("messages") == 0


@pytest.mark.alone
async def test_a_preview_sends_nothing_and_shows_the_footer(store, sql):
    answer = await store.api.post(
        "/messages/preview",
        json={"template": "free_gift", "variables": {"gift": "Tea", "link": "https://x.test"}},
        headers=store.auth,
    )
    assert answer.status_code == 200, answer.text
    assert "Tea" in answer.json()["text"]
    assert "Unsubscribe" in answer.json()["html"]
    assert await store.count("messages") == 0


# ---------------------------------------------------------------- the sender


async def test_the_sender_is_set_shown_and_checked(store):
    shown = (await store.api.get("/account", headers=store.auth)).json()
    assert (shown["sender"], shown["sending_paused"]) == (SENDER, None)
    for wrong in (
        {"email": "a@b.test, c@d.test"}, {"email": "x"}, {"name": "A\r\nBcc: x@y.test"}, {"name": "=?utf-8?q?x?="},
        {"name": "A\x85B"}, {"name": "A\u2028B"},
        {"reply_to": "a@b\n.test"}, {"postal_address": ""}, {"postal_address": "a\0bcdef"}, {"bcc": "x@y.test"},
    ):  # fmt: skip
        body = {"sender": SENDER | wrong}
        problem(await store.api.patch("/account", json=body, headers=store.auth), 422, "invalid_request")
    await set_sender(store, email="hallo@läden.example", reply_to=None)
    sender = (await store.api.get("/account", headers=store.auth)).json()["sender"]
    assert (sender["email"], sender["reply_to"]) == ("hallo@xn--lden-loa.example", None)


async def test_a_text_may_show_the_address_of_the_store(store):
    await store.api.patch(f"/sources/{store.source}", json={"url": "https://shop.example"}, headers=store.auth)
    ada = await customer(store, "ada")
    wanted = {"customer": ada, "subject": "Hi", "text": "[{{ store.name }}] [{{ store.url }}]", "personalise": True}

    answer = await store.api.post("/messages/preview", json=wanted, headers=store.auth)

    assert answer.json()["text"].startswith("[Shop] [https://shop.example]")


async def test_the_placeholders_of_a_text_are_listed_in_the_language_of_the_request(store):
    for language, described in (("en", "Name of the store"), ("de", "Name des Shops")):
        answer = await store.api.get("/messages/templates", headers=store.auth | {"Accept-Language": language})
        listed = {each["name"]: each["description"] for each in answer.json()["placeholders"]}
        assert set(listed) >= {"customer.name", "rank.place", "store.url"}
        assert listed["store.name"] == described
