"""Messages: who may send what to whom, and what they are answered."""

import pytest
from conftest import NOW
from postal import customer, deliver, post, seen, set_sender, sink


@pytest.fixture(autouse=True)
def midday(clock):
    clock.now = NOW


@pytest.fixture
async def store(open_store):
    store = await open_store()
    await set_sender(store)
    return store


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
    assert (whole["status"], whole["attempts"], whole["log"][0]["outcome"]) == ("sent", 1, "accepted")
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
