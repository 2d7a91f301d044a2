"""Identity: each store writes in its own name, language and words, and no mail holds a word of another store."""

import re
from typing import Any

import pytest
from answers import problem
from postal import customers, deliver, key, number_in, post, queued, queued_for_all, seen, set_sender, sink
from postal import unsubscribe_path as path_of_link
from shop import Store

from app.messages.writing.catalogue import TEMPLATES

pytestmark = pytest.mark.usefixtures("midday")

BOTTEGA = {
    "name": "Bottega Bianchi",
    "url": "https://bottega-bianchi.example/negozio",
    "sender": {"name": "Carla Bianchi", "email": "ciao@bianchi.example", "reply_to": "aiuto@bianchi-help.example"},
    "postal_address": "Via dei Fori 1\n00184 Roma",
    "language": "it",
    "consent_sentence": "Ci hai dato il consenso nel negozio di via dei Fori.",
}
WERKSTATT = {
    "name": "Werkstatt Schwarz",
    "url": "https://werkstatt-schwarz.example",
    "sender": {"name": "Jürgen Schwarz", "email": "moin@schwarz.example", "reply_to": None},
    "postal_address": "Hafenstraße 7\n20457 Hamburg",
    "language": "de",
    "consent_sentence": None,
}
WORDS = {
    "it": ["Bianchi", "bianchi", "Fori", "Roma", "negozio", "Carla", "italiana"],
    "de": ["Schwarz", "schwarz", "Hafen", "Hamburg", "Werkstatt", "Jürgen", "deutsche", "moin"],
}
"""Words that only one of the stores has, in its settings and in the names of its customers."""
NAMES = {"it": [f"italiana-{number}" for number in range(10)], "de": [f"deutsche-{number}" for number in range(10)]}
GREETING = {"it": "Ciao", "de": "Hallo"}
LEAVE = {"it": "Annulla l’iscrizione", "de": "Abmelden"}


async def identified(open_store: Any, identity: dict[str, Any], **more: Any) -> Store:
    store: Store = await open_store(**more, **identity)
    return store


async def changed(store: Store, **fields: Any) -> dict[str, Any]:
    answer = await store.api.patch(f"/sources/{store.source}", json=fields, headers=store.auth)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def shown(store: Store) -> dict[str, Any]:
    body: dict[str, Any] = (await store.api.get(f"/sources/{store.source}", headers=store.auth)).json()
    return body


# ---------------------------------------------------------------- no word of another store


def content_of(mail: Any) -> str:
    """All that a reader sees, and all headers."""
    parsed = mail.parsed
    bodies = [part.get_content() for part in parsed.walk() if part.get_content_maintype() == "text"]
    lines = [mail.sender, *(f"{name}: {value}" for name, value in parsed.items()), *bodies]
    return "\n".join(lines).replace("\r\n", "\n")


async def write_every_kind(store: Store, ids: list[str]) -> None:
    """A hundred mails to ten customers of a store, none with a word of its own."""
    for name, template in TEMPLATES.items():
        variables = {each.name: each.example for each in template.variables}
        await queued_for_all(store, ids, subject=None, text=None, template=name, variables=variables)
    personal = {
        "personalise": True,
        "subject": "{{ customer.name }}",
        "html": "<p>{{ store.name }} {{ store.url }}</p>",
    }
    await queued_for_all(store, ids, text="{{ store.name }}, {{ rank.place }}", **personal)
    top = {"to": {"top": store.board(limit=10, time_frame="month_to_date")}, "subject": "One", "text": "Word."}
    answer = await store.api.post("/messages/batch", json=top, headers=store.auth | key())
    assert answer.json()["queued"] == 10, answer.text
    for each in ids:
        await queued(store, each, kind="transactional", text="Your order is on its way.")


async def test_of_two_hundred_mails_of_two_stores_none_holds_a_word_of_the_other(open_store, database, clock, tmp_path):
    italian = await identified(open_store, BOTTEGA)
    german = await identified(open_store, WERKSTATT, beside=italian)
    stores = {"it": italian, "de": german}
    ids = {each: [*(await customers(stores[each], *NAMES[each])).values()] for each in stores}
    for language, store in stores.items():
        await write_every_kind(store, ids[language])
    await queued_for_all(italian, [*ids["it"], *ids["de"]], html="<p>For all of both</p>")

    with sink(tmp_path) as smtp:
        await deliver(database, clock, smtp.url)
        mails = smtp.taken

    assert len(mails) == 200
    for mail in mails:
        own, other = ("it", "de") if "italiana" in mail.recipient else ("de", "it")
        content = content_of(mail)
        assert [word for word in WORDS[other] if word in content] == []
        identity = BOTTEGA if own == "it" else WERKSTATT
        assert mail.sender == identity["sender"]["email"]
        assert identity["sender"]["name"] in content
        assert mail.message_id.endswith(f"@{mail.sender.rpartition('@')[2]}>")
        assert (LEAVE[own] in content) is ("on its way" not in content)
        assert LEAVE[other] not in content
        assert mail.parsed["Reply-To"] == identity["sender"]["reply_to"]
        greets = re.search(r"^(Ciao|Hallo) ", content, re.MULTILINE)
        assert greets is None or greets[1] == GREETING[own]


async def test_the_page_behind_the_link_names_the_store_that_wrote(open_store, sql):
    italian = await identified(open_store, BOTTEGA)
    german = await identified(open_store, WERKSTATT, beside=italian)
    for name, store, own, other in (
        ("ada", italian, "Carla Bianchi", "Schwarz"),
        ("bea", german, "Jürgen Schwarz", "Bianchi"),
    ):
        (who,) = (await customers(store, name)).values()
        path = await path_of_link(store, sql, who, await queued(store, who))
        for page in (await store.api.get(path), await store.api.post(path)):
            assert (page.status_code, own in page.text, other in page.text) == (200, True, False)
            assert "style-src 'sha256-" in page.headers["Content-Security-Policy"], "it looks like the mail"


async def test_a_preview_shows_the_sender_of_the_customer_s_store(open_store):
    italian = await identified(open_store, BOTTEGA)
    (who,) = (await customers(italian, "ada")).values()
    words = {"subject": "Hello", "text": "A word."}
    for asked in (words | {"customer": who}, words):
        preview = await italian.api.post("/messages/preview", json=asked, headers=italian.auth)
        assert preview.status_code == 200, preview.text
        assert "\nCarla Bianchi\nVia dei Fori 1\n00184 Roma\n\nCi hai dato il consenso" in preview.json()["text"]
        assert preview.json()["language"] == ("it" if "customer" in asked else "en")


# ---------------------------------------------------------------- what falls back to the account


async def test_a_store_without_a_word_of_its_own_writes_as_its_account(open_store, database, clock, tmp_path):
    store = await open_store()
    await set_sender(store)
    ada, bea = (await customers(store, "ada", "bea")).values()
    await queued(store, ada)
    await changed(store, postal_address="Via Nuova 9, Torino", language="es")
    message = await queued(store, bea)

    with sink(tmp_path) as smtp:
        await deliver(database, clock, smtp.url)
        mails = {mail.recipient: mail for mail in smtp.taken}

    assert {mail.sender for mail in mails.values()} == {"hello@shop.example"}
    assert {mail.parsed["Reply-To"] for mail in mails.values()} == {"care@shop.example"}
    assert all("Via Nuova 9, Torino" in content_of(mail) for mail in mails.values()), "the address of today"
    assert "Via Roma" not in "".join(map(content_of, mails.values()))
    assert (await seen(store, message))["language"] == "es"


async def test_a_sender_of_the_store_counts_as_a_whole(open_store, database, clock, tmp_path):
    store = await open_store(sender={"name": "Small shop", "email": "hi@small.example"})
    await set_sender(store)
    (ada,) = (await customers(store, "ada")).values()
    await queued(store, ada)

    with sink(tmp_path) as smtp:
        await deliver(database, clock, smtp.url)
        (mail,) = smtp.taken

    assert (mail.sender, mail.parsed["Reply-To"]) == ("hi@small.example", None), "replies are not the account's"
    assert "Small shop\nVia Roma 1" in content_of(mail)


async def test_stores_can_send_though_their_account_has_no_sender(open_store, database, clock, tmp_path):
    whole = await identified(open_store, BOTTEGA)
    without = await open_store(beside=whole, name="Another")
    no_address = await open_store(beside=whole, sender={"name": "Small shop", "email": "hi@small.example"})
    ada, bea, cyd = [(await customers(store, "ada"))["ada"] for store in (whole, without, no_address)]

    batch = {"subject": "Hello", "text": "A word.", "to": {"customers": [ada, bea, cyd]}}
    answer = await whole.api.post("/messages/batch", json=batch, headers=whole.auth | key())
    for who in (bea, cyd):
        problem(await post(whole, who), 409, "sender_required")
    with sink(tmp_path) as smtp:
        await deliver(database, clock, smtp.url)
        (mail,) = smtp.taken

    assert [line["code"] for line in answer.json()["results"]] == [None, "sender_required", "sender_required"]
    assert mail.sender == "ciao@bianchi.example"
    account = (await whole.api.get("/account", headers=whole.auth)).json()
    assert (account["sender"], account["sending_paused"]) == (None, None)


async def test_a_message_whose_sender_was_removed_is_cancelled_and_says_why(open_store, database, clock, tmp_path):
    store = await identified(open_store, BOTTEGA)
    (ada,) = (await customers(store, "ada")).values()
    message = await queued(store, ada)
    assert (await changed(store, sender=None))["sender"] is None

    with sink(tmp_path) as smtp:
        await deliver(database, clock, smtp.url)
        assert smtp.taken == []

    whole = await seen(store, message)
    assert (whole["status"], whole["reason"]) == ("cancelled", "sender_required")


async def test_the_language_is_the_message_s_the_customer_s_the_store_s_or_english(open_store):
    store = await identified(open_store, BOTTEGA)
    ada, bea = (await customers(store, "ada", "bea")).values()
    await store.api.patch(f"/customers/{bea}", json={"language": "es"}, headers=store.auth)

    written = [
        (await seen(store, await queued(store, who, **fields)))["language"]
        for who, fields in ((ada, {}), (bea, {}), (bea, {"language": "de"}))
    ]
    await changed(store, language=None)

    assert written == ["it", "es", "de"]
    assert (await seen(store, await queued(store, ada)))["language"] == "en"


# ---------------------------------------------------------------- setting it


async def test_what_a_store_says_about_itself_is_shown_changed_and_removed(open_store):
    store = await identified(open_store, BOTTEGA)
    fields = BOTTEGA.keys() - {"name"}

    assert {name: (await shown(store))[name] for name in BOTTEGA} == BOTTEGA
    await changed(store, name="Renamed")
    assert {name: (await shown(store))[name] for name in fields} == {name: BOTTEGA[name] for name in fields}
    await changed(store, sender=WERKSTATT["sender"])
    assert (await shown(store))["sender"] == WERKSTATT["sender"]
    await changed(store, **dict.fromkeys(fields))
    assert {(await shown(store))[name] for name in fields} == {None}


@pytest.mark.parametrize(
    "fields",
    [
        {"sender": {"name": "No address"}},
        {"sender": {"email": "hi@small.example"}},
        {"sender": {"name": "a\nBcc: v@example.test", "email": "hi@small.example"}},
        {"sender": {"name": "=?utf-8?q?x?=", "email": "hi@small.example"}},
        {"sender": {"name": "Small", "email": "hi@small.example, v@example.test"}},
        {"sender": {"name": "Small", "email": "hi@small.example", "reply_to": "nobody"}},
        {"sender": {"name": "Small", "email": "hi@small.example", "postal_address": "Via Roma 1"}},
        {"postal_address": "x"},
        {"language": "fr"},
        {"consent_sentence": "Two\nlines of words"},
        {"consent_sentence": "x" * 301},
        {},
    ],
)
async def test_what_no_mail_can_say_is_refused(open_store, fields):
    store = await open_store()
    answer = await store.api.patch(f"/sources/{store.source}", json=fields, headers=store.auth)
    problem(answer, 422, "invalid_request")


async def test_who_a_store_writes_as_needs_an_admin_key_and_is_kept_in_the_audit_log(open_store):
    store = await open_store()
    made = await store.api.post("/account/keys", json={"name": "w", "scopes": ["write"]}, headers=store.auth)
    writer = {"Authorization": f"Bearer {made.json()['key']}"}
    for field in ("sender", "postal_address"):
        answer = await store.api.patch(f"/sources/{store.source}", json={field: BOTTEGA[field]}, headers=writer)
        problem(answer, 403, "scope_required")
        new = {"audience": store.audience, "platform": "custom", "currency": "EUR", "time_zone": "UTC"}
        new |= {"name": "More", field: BOTTEGA[field]}
        problem(await store.api.post("/sources", json=new, headers=writer), 403, "scope_required")
    language = await store.api.patch(f"/sources/{store.source}", json={"language": "it"}, headers=writer)
    assert language.status_code == 200

    await changed(store, sender=BOTTEGA["sender"])
    entry = (await store.api.get("/account/audit", headers=store.auth)).json()["items"][0]
    assert (entry["action"], entry["about"]) == ("sender_set", {"source": store.source})


async def test_a_new_sender_of_a_store_ends_the_pause(open_store, sql):
    store = await identified(open_store, BOTTEGA)
    await sql.execute(
        "UPDATE senders SET paused_until = '2026-04-01T00:00Z', paused_because = 'x' WHERE account_id = $1",
        number_in(store.account),
    )
    assert (await store.api.get("/account", headers=store.auth)).json()["sending_paused"] is not None

    await changed(store, sender=WERKSTATT["sender"])

    assert (await store.api.get("/account", headers=store.auth)).json()["sending_paused"] is None
