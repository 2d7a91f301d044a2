"""Mailers: what goes over the wire, what can come of it, and what providers report."""

import asyncio
import base64
import contextlib
import dataclasses
import hashlib
import hmac
import json
import mailbox
import os
import random
import re
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta, timezone
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import Message
from email.policy import default
from email.utils import format_datetime, parseaddr
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import quote, urlencode

import pytest
import trustme
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import given, settings
from hypothesis import strategies as st
from mail_sinks import HttpSink, Reply, SmtpSink, smtp_sink
from provider_secrets import KEY, SECRETS
from standardwebhooks import Webhook

from app.mail import smtp
from app.mail.addressing import readable
from app.mail.choose_mailer import PROVIDERS, SCHEMES, feedback_reader, open_mailer
from app.mail.contract import (
    Accepted,
    Address,
    Deferred,
    Feedback,
    ForgedFeedback,
    Mail,
    Mailer,
    Misconfigured,
    Refused,
    Report,
)
from app.mail.http_provider import retry_after
from app.mail.mime import written
from app.problems import UnreadableBody
from app.wire.addresses import BadAddress, deliverable
from app.wire.text import BREAKS

SECRET = "hunter2-unrepeatable"
PLAIN_HEADERS = ["From", "To", "Subject", "Date", "Message-ID", "MIME-Version"]
ALL_HEADERS = sorted([*PLAIN_HEADERS, "Reply-To", "List-Unsubscribe", "List-Unsubscribe-Post", "Content-Type"])
CONTROLS = ["\0", "\a", "\b", "\t", "\n", "\v", "\f", "\r", "\x1b", "\x7f", "\x85", "\u2028"]
ENCODED_WORDS = [
    "Hi =?utf-8?q?=0ABcc:_victim=40example.net?=",
    "=?utf-8?b?SGkNCkJjYzogdmljdGltQGV4YW1wbGUubmV0?=",
    "=?iso-8859-1?Q?=0D=0ABcc=3A_victim=40example.net=0D=0A=0D=0Aboo?= =?utf-8?q?x?=",
]


def mail(**changes) -> Mail:
    whole = Mail(
        reference="acc_1.msg_42",
        message_id="<42@shop.example>",
        date=datetime(2026, 3, 18, 12, 0, tzinfo=UTC),
        sender=Address("shop@shop.example", "Ada's Shop"),
        reply_to="help@shop.example",
        recipient=Address("bea@home.example", "Bea"),
        subject="Your points",
        text="Hello Bea,\nyou have 12 points.\n",
        html="<p>Hello Bea,</p><p>you have 12 points.</p>\n",
        unsubscribe_url="https://shop.example/unsubscribe/token",
    )
    return dataclasses.replace(whole, **changes)


IDENTITY = mail().identity
NAMESAKE = mail(message_id="<43@shop.example>")
"""A message of another database, which numbers its own from 1 too."""


def to(local: str) -> Mail:
    return mail(recipient=Address(f"{local}@home.example"))


@contextlib.asynccontextmanager
async def opened(url: str, concurrency: int = 4) -> AsyncIterator[Mailer]:
    mailer = open_mailer(url, concurrency=concurrency)
    try:
        yield mailer
    finally:
        await mailer.close()


def octets(letter: Mail) -> bytes:
    result = written(letter)
    assert isinstance(result, tuple), result
    return result[1]


def parsed(content: bytes) -> Message:
    return message_from_bytes(content, policy=default)


def decoded(header: str) -> str:
    return str(make_header(decode_header(re.sub(r"\r\n(?=[ \t])", "", header))))


# ---------------------------------------------------------------- MIME

TEXTS = st.text(max_size=300) | st.lists(
    st.sampled_from([*'ab <>"\\,;:@.=?ß€🎉\r\n\t\0', *ENCODED_WORDS, "\r\n.\r\n", "x" * 80, "From "])
).map("".join)


def lines(text: str) -> list[str]:
    return re.split("\r\n|\r|\n", re.sub("(\r\n|\r|\n)\\Z", "", text))


@settings(max_examples=200)
@given(subject=TEXTS, name=TEXTS, shop=TEXTS, text=TEXTS, html=st.none() | TEXTS)
def test_any_mail_comes_back_from_its_bytes_and_nothing_else_with_it(subject, name, shop, text, html):
    letter = mail(
        subject=subject,
        sender=Address("s@x.example", shop),
        recipient=Address("r@x.example", name),
        text=text,
        html=html,
    )
    content = octets(letter)
    raw = message_from_bytes(content)
    own = [*raw.keys()]

    expected = [*ALL_HEADERS, "Content-Transfer-Encoding"] if html is None else ALL_HEADERS
    assert sorted(own) == sorted(expected)
    assert raw.defects == []
    assert max(map(len, content.split(b"\r\n"))) <= 998
    assert content.isascii()
    assert content.endswith(b"\r\n")
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n", content)
    assert all(len(word) <= 75 for word in re.findall(rb"=\?utf-8\?b\?[^?]*\?=", content))
    assert decoded(raw["Subject"]) == BREAKS.sub(" ", subject)
    for header, email, said_name in (("From", "s@x.example", shop), ("To", "r@x.example", name)):
        shown, address = parseaddr(re.sub(r"\r\n ", " ", raw[header]))
        assert (decoded(shown), address) == (BREAKS.sub(" ", said_name).strip(), email)
    parts = [*raw.walk()][-1 if html is None else 1 :]
    bodies = [part.get_payload(decode=True).decode() for part in parts]
    assert [lines(body) for body in bodies] == [lines(each) for each in (text, html) if each is not None]


@pytest.mark.parametrize("letter", ["subject", "name"])
@pytest.mark.parametrize("word", ENCODED_WORDS)
def test_an_encoded_word_is_text_and_no_header_for_a_modern_parser_either(letter, word):
    given_mail = mail(subject=word) if letter == "subject" else mail(recipient=Address("bea@home.example", word))
    message = parsed(octets(given_mail))

    assert sorted(message.keys()) == ALL_HEADERS
    assert [each.addr_spec for each in message["To"].addresses] == ["bea@home.example"]
    again = parsed(message.as_bytes(policy=default.clone(refold_source="none")))
    assert sorted(again.keys()) == ALL_HEADERS
    shown = message["Subject"] if letter == "subject" else message["To"].addresses[0].display_name
    assert str(shown).replace(" ", "") == word.replace(" ", "")  # Python 3.11 puts a space between words of a name


def test_a_mail_has_the_headers_that_mail_programs_need():
    east = timezone(timedelta(hours=9))
    letter = mail(date=datetime(2026, 3, 18, 21, 0, tzinfo=east), sender=Address("ß@bücher.example", "Bücher"))
    message = parsed(octets(letter))

    assert (message["Message-ID"], message["Date"]) == ("<42@shop.example>", "Wed, 18 Mar 2026 12:00:00 +0000")
    assert message["From"].addresses[0].domain == "xn--bcher-kva.example"
    assert message["List-Unsubscribe"] == "<https://shop.example/unsubscribe/token>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert [part.get_content_type() for part in message.walk()] == ["multipart/alternative", "text/plain", "text/html"]
    assert octets(letter) == octets(letter)


def test_a_long_link_to_unsubscribe_stays_on_one_line_and_a_wild_one_is_quoted():
    link = f"https://shop.example/u/{'t' * 800}"
    content = octets(mail(unsubscribe_url=link))
    assert f"\r\nList-Unsubscribe: <{link}>\r\n".encode() in content

    wild = octets(mail(unsubscribe_url="https://x.example/ä b>\r\nBcc: v@x.example"))
    assert b"List-Unsubscribe: <https://x.example/%C3%A4%20b%3E%0D%0ABcc:%20v@x.example>\r\n" in wild
    assert isinstance(written(mail(unsubscribe_url=f"https://x.example/{'t' * 1000}")), Refused)


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("plain\n", "7bit"),
        ("x" * 999, "quoted-printable"),
        ("mostly plain, but for one ü", "quoted-printable"),
        ("Привет, Беа", "base64"),
        ("bell \a", "quoted-printable"),
        ("", "7bit"),
    ],
)
def test_a_body_is_encoded_as_it_needs(text, encoding):
    message = parsed(octets(mail(text=text, html=None)))
    assert (message["Content-Transfer-Encoding"], message.get_content().strip()) == (encoding, text.strip())


@pytest.mark.parametrize(
    ("email", "deliverable_as"),
    [
        ("Ada.Love+x@Home.Example", "Ada.Love+x@home.example"),
        ("ada@bücher.example", "ada@xn--bcher-kva.example"),
        ("ada@straße.example", "ada@xn--strae-oqa.example"),  # IDNA 2003 would write to strasse.example
        ("ädä@home.example", "ädä@home.example"),
        ("ada@ｈｏｍｅ。example", "ada@home.example"),
        ("ada@localhost", "ada@localhost"),
    ],
)
def test_domains_are_written_in_ascii(email, deliverable_as):
    assert deliverable(email) == deliverable_as


NO_ADDRESSES = [
    "",
    "ada",
    "@home.example",
    "ada@",
    "b@x.example, v@y.example",
    "b@x.example v@y.example",
    "b@x.example>, <v@y.example",
    "Ada <ada@home.example>",
    "ada@home.example\r\nRCPT TO:<v@y.example>",
    "ada\n@home.example",
    "ada\u2028@home.example",
    "ada\u3000@home.example",
    "ada\ud800@home.example",
    '"ada b"@home.example',
    "a..b@home.example",
    ".ada@home.example",
    "ada@[127.0.0.1]",
    "ada@home..example",
    "ada@-home.example",
    "ada@home_.example",
    "ada@xn--\u00e4.example",
    "=?utf-8?q?=0Abcc=3A_v=40x?=@home.example",
    "a" * 65 + "@home.example",
    "ada@" + "a" * 64 + ".example",
    "ada@" + "a." * 130 + "example",
    "ada(comment)@home.example",
]


@pytest.mark.parametrize("email", NO_ADDRESSES)
async def test_what_is_not_one_address_is_refused_by_every_mailer(email, tmp_path):
    with pytest.raises(BadAddress):
        deliverable(email)
    nowhere = "?endpoint=http://127.0.0.1:9"
    for url in (f"maildir:{tmp_path}/m", "smtp://127.0.0.1:9", *(f"{scheme}://T{nowhere}" for scheme in PROVIDERS)):
        async with opened(url) as mailer:
            refused = await mailer.send(mail(recipient=Address(email)))
            assert refused == Refused("bad_address", refused.detail, of_address=True)
            assert isinstance(await mailer.send(mail(reply_to=email)), Misconfigured)


LOCAL_PARTS = st.text(st.sampled_from([*"ab.,@<>\"' =?ä\r\n\0\ud800"]) | st.characters(), max_size=70)
DOMAINS = st.text(st.sampled_from([*"ab.-_ß€Kİ。xn\u200d\ud800"]) | st.characters(), max_size=260)


@settings(max_examples=300)
@given(email=st.builds("{}@{}".format, LOCAL_PARTS, DOMAINS))
def test_any_text_is_one_address_or_none(email):
    with contextlib.suppress(BadAddress):
        address = deliverable(email)
        local, domain = address.split("@")
        assert re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)*", domain)
        assert local == email.rpartition("@")[0]
        assert not re.search(r'[\x00-\x20\x7f-\xa0,;:<>()"\[\]\\]', local)
        content = octets(mail(recipient=Address(email), sender=Address(email), reply_to=email))
        assert sorted(message_from_bytes(content).keys()) == ALL_HEADERS


def test_a_lone_surrogate_is_a_question_mark():
    lone = "\ud800"
    letter = mail(subject=lone, sender=Address("s@x.example", lone), text=lone, html=lone, message_id=f"<{lone}@x>")
    message = message_from_bytes(octets(dataclasses.replace(letter, unsubscribe_url=f"https://x.example/{lone}")))
    assert (decoded(message["Subject"]), message["Message-ID"]) == ("?", "<@x>")
    assert [part.get_payload(decode=True) for part in message.get_payload()] == [b"?\r\n", b"?\r\n"]


def test_what_the_other_side_says_is_one_line_without_addresses():
    assert readable("550 no\r\n such <bea@home.example> user\0!") == "550 no such <(address)> user !"
    assert len(readable("x" * 1000)) == 200


# ---------------------------------------------------------------- Maildir


async def test_the_maildir_has_one_file_per_message_however_often_it_is_handed_over(tmp_path):
    async with opened(f"maildir:{quote(str(tmp_path))}/var%2Fmail") as mailer:
        outcomes = await asyncio.gather(*(mailer.send(mail(text=f"{n}")) for n in range(5)), mailer.send(to("ädä")))
        other = await mailer.send(mail(reference="../../x\0/ä", html=None))
        namesake = await mailer.send(NAMESAKE)

    assert outcomes == [Accepted(IDENTITY)] * 6
    assert isinstance(other, Accepted)
    assert isinstance(namesake, Accepted)
    box = mailbox.Maildir(tmp_path / "var" / "mail", create=False)
    assert len(box) == 3
    assert sorted(path.name for path in (tmp_path / "var/mail/new").iterdir()) == sorted(
        [IDENTITY, other.provider_id, namesake.provider_id]
    )
    assert [*(tmp_path / "var/mail/tmp").iterdir()] == []
    assert {path.stat().st_mode & 0o077 for path in (tmp_path / "var/mail").rglob("*")} == {0}
    assert box.get_message(other.provider_id)["To"] == '"Bea"\n <bea@home.example>'


async def test_a_disk_that_cannot_be_written_defers_the_mail(tmp_path):
    (tmp_path / "taken").write_text("a file")
    async with opened(f"maildir:{tmp_path}/taken") as mailer:
        assert await mailer.send(mail()) == Deferred("disk", "The folder for mails cannot be written: Not a directory.")
    (tmp_path / "mail" / "new" / IDENTITY).mkdir(parents=True)
    async with opened(f"maildir:{tmp_path}/mail") as mailer:
        assert isinstance(await mailer.send(mail()), Deferred)
    assert [*(tmp_path / "mail" / "tmp").iterdir()] == []


# ---------------------------------------------------------------- SMTP

REPLIES = {
    "r421": ["421 4.3.2 closing"],
    "r450": ["450 4.2.0 greylisted"],
    "r451": ["451 try later"],
    "r452": ["452 4.2.2 full"],
    "r550": ["550 no such user"],
    "r550a": ["550 5.1.1 <bea@home.example> no such user"],
    "r550b": ["550 5.7.1 your network is listed"],
    "r550c": ["550 relay not permitted"],
    "r550d": ["550 Sender verify failed"],
    "r550e": ["550 Administrative prohibition"],
    "r551": ["551 not here"],
    "r553": ["553 5.1.3 bad address"],
    "r5521": ["550 5.2.1 disabled"],
    "r552": ["552 5.2.2 full"],
    "r554": ["554 5.7.1 relay access denied"],
    "r530": ["530 5.7.0 authenticate first"],
    "r5517": ["553 5.1.8 bad sender"],
    "d421": ["data 421 closing"],
    "d451": ["data 451 4.3.0 later"],
    "d550": ["data 550 spam"],
    "d550a": ["data 550 5.1.1 gone"],
    "d552": ["data 552 5.3.4 too large"],
    "d554": ["data 554 5.6.0 no"],
    "d299": ["data 299 fine"],
    "d399": ["data 399 what?"],
    "cut": ["cut"],
    "taken-cut": ["taken, cut"],
    "taken-stall": ["taken, stall"],
    "hang-up": ["hang up"],
    "stall": ["stall"],
    "later": ["421 4.3.2 busy", "data 451 4.3.0 busy", "cut", "250"],
}
SCRIPT = {f"{name}@home.example": steps for name, steps in REPLIES.items()} | {
    "cold@shop.example": ["550 5.7.1 sender not owned"],
    "fat@shop.example": ["552 5.3.4 too large"],
    "soft@shop.example": ["451 4.7.1 later"],
}


@pytest.fixture(scope="module")
def sink(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmtpSink]:
    with smtp_sink(tmp_path_factory.mktemp("smtp") / "taken.jsonl", SCRIPT) as running:
        yield running


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    folder = tmp_path_factory.mktemp("certificates")
    authority, stranger = trustme.CA(), trustme.CA()
    paths = SimpleNamespace(ca=folder / "ca.pem", good=folder / "good.pem", other=folder / "other.pem")
    authority.cert_pem.write_to_path(paths.ca)
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(paths.good)
    stranger.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(paths.other)
    return paths


DUPLICATE = "The mail was sent, its answer was lost."


@pytest.mark.parametrize(
    ("local", "outcome"),
    [
        ("r421", Deferred("421 4.3.2", "4.3.2 closing")),
        ("r450", Deferred("450 4.2.0", "4.2.0 greylisted")),
        ("r451", Deferred("451", "try later")),
        ("r452", Deferred("452 4.2.2", "4.2.2 full")),
        ("r550", Refused("550", "no such user", of_address=True)),
        ("r550a", Refused("550 5.1.1", "5.1.1 <(address)> no such user", of_address=True)),
        ("r550b", Refused("550 5.7.1", "5.7.1 your network is listed")),
        ("r550c", Refused("550", "relay not permitted")),
        ("r550d", Refused("550", "Sender verify failed")),
        ("r550e", Refused("550", "Administrative prohibition")),
        ("r551", Refused("551", "not here", of_address=True)),
        ("r553", Refused("553 5.1.3", "5.1.3 bad address", of_address=True)),
        ("r5521", Refused("550 5.2.1", "5.2.1 disabled", of_address=True)),
        ("r552", Refused("552 5.2.2", "5.2.2 full")),
        ("r554", Refused("554 5.7.1", "5.7.1 relay access denied")),
        ("r530", Misconfigured("530 5.7.0", "5.7.0 authenticate first")),
        ("r5517", Misconfigured("553 5.1.8", "5.1.8 bad sender")),
        ("d421", Deferred("421", "closing")),
        ("d451", Deferred("451 4.3.0", "4.3.0 later")),
        ("d550", Refused("550", "spam")),
        ("d550a", Refused("550 5.1.1", "5.1.1 gone", of_address=True)),
        ("d552", Refused("552 5.3.4", "5.3.4 too large")),
        ("d554", Refused("554 5.6.0", "5.6.0 no")),
        ("d299", Accepted("fine")),
        ("d399", Deferred("garbled", "what?", maybe_duplicate=True)),
        ("cut", Deferred("disconnected", DUPLICATE, maybe_duplicate=True)),
        ("taken-cut", Deferred("disconnected", DUPLICATE, maybe_duplicate=True)),
        ("taken-stall", Deferred("timeout", DUPLICATE, maybe_duplicate=True)),
        ("hang-up", Deferred("disconnected", "The mail server has hung up.")),
        ("stall", Deferred("timeout", "The mail server does not answer.")),
    ],
)
async def test_every_answer_of_an_smtp_server_is_one_of_four_outcomes(sink, local, outcome, monkeypatch):
    monkeypatch.setattr(smtp, "COMMAND_SECONDS", 0.3)
    async with opened(f"{sink.url}?answer_seconds=1") as mailer:
        for _ in range(2):  # on a fresh connection, and on one that is used again
            assert await mailer.send(to(local)) == outcome
            assert isinstance(await mailer.send(to("bea")), Accepted)


@pytest.mark.parametrize(
    ("sender", "outcome"),
    [
        ("cold@shop.example", Misconfigured("550 5.7.1", "5.7.1 sender not owned")),
        ("fat@shop.example", Refused("552 5.3.4", "5.3.4 too large")),
        ("soft@shop.example", Deferred("451 4.7.1", "4.7.1 later")),
    ],
)
async def test_what_is_said_to_the_sender_is_not_about_the_address(sink, sender, outcome):
    async with opened(sink.url) as mailer:
        assert await mailer.send(mail(sender=Address(sender))) == outcome
        assert isinstance(await mailer.send(mail()), Accepted)


async def test_a_mail_that_is_tried_again_keeps_its_name(sink):
    async with opened(sink.url) as mailer:
        outcomes = [await mailer.send(to("later")) for _ in range(4)]
    assert [type(outcome) for outcome in outcomes] == [Deferred, Deferred, Deferred, Accepted]
    assert [outcome.maybe_duplicate for outcome in outcomes[:3]] == [False, False, True]
    assert [t.message_id for t in sink.taken if t.recipient == "later@home.example"] == ["<42@shop.example>"]


async def test_accepted_mails_are_known_by_the_id_of_the_queue(sink):
    async with opened(sink.url) as mailer:
        accepted = await mailer.send(mail())
    assert re.fullmatch(r"2\.0\.0 Ok: queued as [0-9A-F]+", accepted.provider_id)


async def test_what_is_said_of_many_mails_at_once_is_true_of_each(tmp_path):
    chance = random.Random(7)
    fates = ["250", "250", "250", "421 4.3.2 busy", "550 5.1.1 gone", "data 451 later", "hang up", "cut", "taken, cut"]
    script = {f"r{n}@home.example": [chance.choice(fates)] for n in range(600)}
    with smtp_sink(tmp_path / "taken", script, keep_content=False) as sink:
        async with opened(sink.url, concurrency=8) as mailer:
            letters = [mail(message_id=f"<{n}@x>", recipient=Address(who)) for n, who in enumerate(script)]
            outcomes = await asyncio.gather(*(mailer.send(letter) for letter in letters))
        taken = {(each.message_id, each.recipient) for each in sink.taken}
        assert len(sink.taken) == len(taken)

    accepted = {"250": Accepted, "550 5.1.1 gone": Refused}
    for letter, [fate], outcome in zip(letters, script.values(), outcomes, strict=True):
        assert type(outcome) is accepted.get(fate, Deferred)
        assert getattr(outcome, "maybe_duplicate", False) == fate.endswith("cut")
        assert ((letter.message_id, letter.recipient.email) in taken) == (fate in {"250", "taken, cut"})


async def test_a_sink_that_comes_back_is_found_again(tmp_path):
    with smtp_sink(tmp_path / "taken") as first:
        async with opened(first.url) as mailer:
            assert isinstance(await mailer.send(mail()), Accepted)
            first.process.kill()
            first.process.wait()
            assert (await mailer.send(mail())).code == "unreachable"
            with smtp_sink(tmp_path / "taken", port=first.port) as second:
                assert isinstance(await mailer.send(mail()), Accepted)
                assert len(second.taken) == 2


async def test_connections_are_used_again_and_bounded(sink):
    seen = len(sink.taken)
    async with opened(sink.url, concurrency=1) as mailer:
        assert {type(each) for each in await asyncio.gather(*(mailer.send(mail()) for _ in range(30)))} == {Accepted}
    assert len({each.connection for each in sink.taken[seen:]}) == 1
    async with opened(sink.url, concurrency=3) as mailer:
        await asyncio.gather(*(mailer.send(to("r550" if n % 3 else "bea")) for n in range(90)))
    taken = sink.taken[seen + 30 :]
    assert (len(taken), len({each.connection for each in taken}) <= 3) == (30, True)


async def test_a_connection_that_the_server_has_given_up_is_replaced_without_a_word(tmp_path, monkeypatch):
    with smtp_sink(tmp_path / "taken", idle_seconds=0.2) as sink:
        async with opened(sink.url) as mailer:
            assert isinstance(await mailer.send(mail()), Accepted)
            await asyncio.sleep(0.5)
            assert isinstance(await mailer.send(mail()), Accepted)
            mailer._idle[0].client.transport.get_extra_info("socket").shutdown(2)  # nobody has noticed yet
            assert isinstance(await mailer.send(mail()), Accepted)
            monkeypatch.setattr(smtp, "TRUSTED_IDLE_SECONDS", 0)
            assert isinstance(await mailer.send(mail()), Accepted)
        assert [each.connection for each in sink.taken] == [0, 1, 2, 3]


async def test_a_busy_server_that_says_421_to_an_old_connection_is_asked_once_more(tmp_path):
    with smtp_sink(tmp_path / "taken", {"bea@home.example": ["250", "421 4.7.0 too many on this line", "250"]}) as sink:
        async with opened(sink.url) as mailer:
            assert [type(await mailer.send(mail())) for _ in range(2)] == [Accepted, Accepted]
        assert [each.connection for each in sink.taken] == [0, 1]


async def test_a_send_that_is_cancelled_leaves_no_connection_behind(sink):
    async with opened(f"{sink.url}?answer_seconds=30", concurrency=1) as mailer:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(mailer.send(to("taken-stall")), 0.3)
        assert mailer._idle == []
        assert isinstance(await mailer.send(mail()), Accepted)


async def test_a_server_that_is_not_there_defers_the_mail():
    with smtp_sink(Path(os.devnull)) as gone:
        pass
    async with opened(gone.url) as mailer:
        assert await mailer.send(mail()) == Deferred("unreachable", "The mail server cannot be reached.")
    async with opened("smtp://no-such-host.invalid") as mailer:
        assert await mailer.send(mail()) == Deferred("unreachable", "The mail server cannot be reached.")


@pytest.mark.parametrize(
    "greeting", [b"554 5.7.1 go away\r\n", b"421 busy\r\n", b"HTTP/1.1 400 Bad Request\r\n", b"", None]
)
async def test_a_strange_greeting_is_not_the_fault_of_the_mail(greeting, monkeypatch):
    monkeypatch.setattr(smtp, "SMTP_CONNECT_SECONDS", 0.3)

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if greeting is None:
            await reader.read()
        else:
            writer.write(greeting)
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    async with server, opened(f"smtp://127.0.0.1:{server.sockets[0].getsockname()[1]}") as mailer:
        outcome = await mailer.send(mail())
        await asyncio.sleep(0.05)
    assert isinstance(outcome, Misconfigured if greeting and greeting.startswith(b"554") else Deferred)
    assert not getattr(outcome, "maybe_duplicate", False)


async def test_mails_go_over_tls_that_is_verified(tmp_path, certificates):
    ca = f"?ca={quote(str(certificates.ca))}"
    for number, (certificate, implicit, scheme, query, expected) in enumerate(
        [
            (certificates.good, False, "smtp+starttls", ca, Accepted),
            (certificates.good, True, "smtps", ca, Accepted),
            (certificates.other, False, "smtp+starttls", ca, "tls"),
            (certificates.other, True, "smtps", ca, "tls"),
            (certificates.good, False, "smtp+starttls", "", "tls"),
            (None, False, "smtp+starttls", ca, "tls"),
        ]
    ):
        file = tmp_path / f"taken-{number}"
        with smtp_sink(file, certificate=certificate, implicit_tls=implicit) as sink:
            async with opened(f"{scheme}://127.0.0.1:{sink.port}{query}") as mailer:
                outcomes = [await mailer.send(mail()) for _ in range(2)]
                await asyncio.sleep(0.05)
            assert {type(each) if expected is Accepted else each.code for each in outcomes} == {expected}
            assert len(sink.taken) == (2 if expected is Accepted else 0)
            assert len({each.connection for each in sink.taken}) <= 1


async def test_a_login_is_needed_refused_or_unknown(tmp_path, certificates, sink):
    user, password = "us@er", "p/ss:w#rd%ü"
    right = f"{quote(user)}:{quote(password, safe='')}"
    with smtp_sink(tmp_path / "taken", certificate=certificates.good, login=(user, password)) as guarded:
        at = f"127.0.0.1:{guarded.port}?ca={quote(str(certificates.ca))}"
        async with opened(f"smtp+starttls://{right}@{at}") as mailer:
            assert isinstance(await mailer.send(mail()), Accepted)
        async with opened(f"smtp+starttls://{quote(user)}:{SECRET}@{at}") as mailer:
            refused = await mailer.send(mail())
        async with opened(f"smtp+starttls://{at}") as mailer:
            missing = await mailer.send(mail())
    async with opened(f"smtp://{right}@127.0.0.1:{sink.port}") as mailer:
        unknown = await mailer.send(mail())

    assert (type(refused), refused.code) == (Misconfigured, "535 5.7.8")
    assert SECRET not in refused.detail
    assert (type(missing), missing.code) == (Misconfigured, "530 5.7.0")
    assert (type(unknown), unknown.code) == (Misconfigured, "no_login")


async def test_an_address_that_is_not_ascii_needs_a_server_that_can(tmp_path, sink):
    async with opened(sink.url) as mailer:
        assert isinstance(await mailer.send(mail(recipient=Address("ädä@bücher.example", "Ädä"))), Accepted)
    taken = sink.taken[-1]
    assert (taken.recipient, taken.options) == ("ädä@xn--bcher-kva.example", ["SMTPUTF8"])
    assert "<ädä@xn--bcher-kva.example>" in taken.content.decode()
    with smtp_sink(tmp_path / "taken", smtputf8=False) as old:
        async with opened(old.url) as mailer:
            refused = await mailer.send(mail(recipient=Address("ädä@bücher.example")))
            assert (refused.code, refused.of_address) == ("needs_smtputf8", False)
            assert isinstance(await mailer.send(mail(recipient=Address("ada@bücher.example"))), Accepted)


async def test_nothing_in_a_mail_adds_a_header_a_recipient_or_a_mail(sink):
    seen = len(sink.taken)
    wild = [f"Hi{control}Bcc: victim@example.net" for control in CONTROLS] + ENCODED_WORDS
    wild += ["Hi\r\n\r\nboo\r\n.\r\nMAIL FROM:<x@x.example>\r\n"]
    bodies = ["a\r\n.\r\nb", "a\r.\rb", "a\n.\nb", ".\r\n.\r\n", ".", "a\r\n.\r\nMAIL FROM:<x@x.example>\r\nDATA\r\n"]
    letters = [
        mail(subject=each, sender=Address("s@x.example", each), recipient=Address("bea@home.example", each))
        for each in wild
    ]
    letters += [mail(message_id=f"<42{each}@x>", reference=each) for each in wild]
    letters += [mail(text=each, html=each) for each in bodies] + [mail(text=each, html=None) for each in bodies]
    async with opened(sink.url) as mailer:
        assert {type(await mailer.send(each)) for each in letters} == {Accepted}

    taken = sink.taken[seen:]
    assert len(taken) == len(letters)
    for each, letter in zip(taken, letters, strict=True):
        headers = sorted(message_from_bytes(each.content).keys())
        assert headers == (ALL_HEADERS if letter.html else sorted([*ALL_HEADERS, "Content-Transfer-Encoding"]))
        assert sorted(each.parsed.keys()) == headers
        assert (each.recipient, len(each.parsed["To"].addresses)) == ("bea@home.example", 1)
        body = each.parsed.get_body(("plain",)).get_content()
        assert lines(body) == lines(letter.text)


# ---------------------------------------------------------------- HTTP


@pytest.fixture
def provider() -> Iterator[HttpSink]:
    with HttpSink() as running:
        yield running


async def sent(provider: HttpSink, scheme: str, letter: Mail, *replies: Reply):
    provider.replies = [*replies] or [GOOD[scheme]]
    async with opened(f"{scheme}://T%2FKEN?endpoint={provider.url}") as mailer:
        return await mailer.send(letter)


GOOD = {
    "postmark": Reply(200, {"ErrorCode": 0, "Message": "OK", "MessageID": "id-1"}),
    "sendgrid": Reply(202, b"", {"X-Message-Id": "id-1"}),
    "mailchimp": Reply(200, [{"email": "bea@home.example", "status": "sent", "_id": "id-1", "reject_reason": None}]),
    "resend": Reply(200, {"id": "id-1"}),
}
UNSUBSCRIBE = {
    "List-Unsubscribe": "<https://shop.example/unsubscribe/token>",
    "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
}
WITH_ID = {"Message-ID": "<42@shop.example>", **UNSUBSCRIBE}
TEXT, HTML = mail().text, mail().html
ASKED = {
    "postmark": (
        "/email",
        {"X-Postmark-Server-Token": "T/KEN"},
        {
            "From": '"Ada\'s Shop" <shop@shop.example>',
            "To": '"Bea" <bea@home.example>',
            "ReplyTo": "help@shop.example",
            "Subject": "Your points",
            "TextBody": TEXT,
            "HtmlBody": HTML,
            "MessageStream": "outbound",
            "Headers": [
                {"Name": "Message-ID", "Value": "<42@shop.example>"},
                {"Name": "X-PM-KeepID", "Value": "true"},
                *({"Name": name, "Value": value} for name, value in UNSUBSCRIBE.items()),
            ],
            "Metadata": {"reference": "acc_1.msg_42"},
        },
    ),
    "sendgrid": (
        "/v3/mail/send",
        {"Authorization": "Bearer T/KEN"},
        {
            "personalizations": [{"to": [{"email": "bea@home.example", "name": "Bea"}]}],
            "from": {"email": "shop@shop.example", "name": "Ada's Shop"},
            "reply_to": {"email": "help@shop.example"},
            "subject": "Your points",
            "content": [{"type": "text/plain", "value": TEXT}, {"type": "text/html", "value": HTML}],
            "headers": WITH_ID,
            "custom_args": {"reference": "acc_1.msg_42"},
        },
    ),
    "mailchimp": (
        "/api/1.0/messages/send.json",
        {},
        {
            "key": "T/KEN",
            "message": {
                "from_email": "shop@shop.example",
                "from_name": "Ada's Shop",
                "to": [{"email": "bea@home.example", "name": "Bea", "type": "to"}],
                "subject": "Your points",
                "text": TEXT,
                "html": HTML,
                "headers": {**WITH_ID, "Reply-To": "help@shop.example"},
                "metadata": {"reference": "acc_1.msg_42"},
            },
            "async": False,
        },
    ),
    "resend": (
        "/emails",
        {"Authorization": "Bearer T/KEN", "Idempotency-Key": IDENTITY},
        {
            "from": '"Ada\'s Shop" <shop@shop.example>',
            "to": ['"Bea" <bea@home.example>'],
            "reply_to": "help@shop.example",
            "subject": "Your points",
            "text": TEXT,
            "html": HTML,
            "headers": WITH_ID,
            "tags": [{"name": "reference", "value": "acc_1-msg_42"}],
        },
    ),
}


@pytest.mark.parametrize("scheme", PROVIDERS)
async def test_a_provider_is_asked_as_it_documents(provider, scheme):
    assert await sent(provider, scheme, mail()) == Accepted("id-1")
    path, headers, body = ASKED[scheme]
    [asked] = provider.asked
    assert (asked.path, asked.json) == (path, body)
    assert headers.items() <= asked.headers.items()
    assert asked.headers["Content-Type"] == "application/json"


async def test_resend_takes_copies_for_the_same_mail_and_no_other(provider):
    for each in (mail(), mail(text="as it is now"), NAMESAKE):
        assert await sent(provider, "resend", each) == Accepted("id-1")
    first, copy, other = (asked.headers["Idempotency-Key"] for asked in provider.asked)
    assert first == copy != other


@pytest.mark.parametrize("scheme", PROVIDERS)
async def test_nothing_in_a_mail_reaches_the_headers_that_a_provider_writes(provider, scheme):
    wild = [*ENCODED_WORDS, *(f'"x" <v@y.example>,{control}Bcc: v@y.example' for control in CONTROLS), "\ud800"]
    provider.replies = [GOOD[scheme]]
    async with opened(f"{scheme}://T?endpoint={provider.url}") as mailer:
        for each in wild:
            letter = mail(
                recipient=Address("bea@bücher.example", each), sender=Address("s@x.example", each), subject=each
            )
            assert isinstance(await mailer.send(dataclasses.replace(letter, text="", html=None)), Accepted)

    for asked in provider.asked:
        flat = json.dumps(asked.json, ensure_ascii=False)
        assert "=?" not in flat
        assert not re.search("[\x00-\x1f\x7f-\x9f\u2028]", flat)
        for field in ("From", "To", "from", "to"):
            value = asked.json.get(field, "")
            text = value[0] if isinstance(value, list) else value
            if isinstance(text, str) and text:  # one quoted name, one address
                assert re.fullmatch(r'"(?:[^"\\]|\\.)*" <[^<>,@ ]+@[^<>,@ ]+>', text)


async def test_postmark_has_streams_and_a_nameless_customer_has_only_an_address(provider):
    provider.replies = [GOOD["postmark"]]
    async with opened(f"postmark://T?stream=broadcast&endpoint={provider.url}") as mailer:
        await mailer.send(mail(recipient=Address("bea@home.example"), html=None, reply_to=None, unsubscribe_url=None))
    body = provider.asked[0].json
    assert (body["MessageStream"], body["To"]) == ("broadcast", "bea@home.example")
    assert not {"HtmlBody", "ReplyTo"} & body.keys()


def pm(error: int, status: int = 422) -> Reply:
    return Reply(status, {"ErrorCode": error, "Message": "why, bea@home.example"})


def sg(status: int, field: str | None = None, message: str = "why, bea@home.example", **headers: str) -> Reply:
    return Reply(status, {"errors": [{"message": message, "field": field, "help": None}]}, headers)


def mc(status: str, reason: str | None = None) -> Reply:
    return Reply(200, [{"email": "bea@home.example", "status": status, "_id": "id-1", "reject_reason": reason}])


def mc_error(name: str, status: int = 500, message: str = "why") -> Reply:
    return Reply(status, {"status": "error", "code": -2, "name": name, "message": message})


def rs(status: int, name: str, message: str = "why", **headers: str) -> Reply:
    return Reply(status, {"statusCode": status, "name": name, "message": message}, headers)


OF_ADDRESS = "of the address"
CLASSES = [
    *(("postmark", pm(error), Misconfigured) for error in (400, 401, 405, 412, 413, 1235)),
    ("postmark", pm(10, 401), Misconfigured),
    *(("postmark", pm(error), Refused) for error in (300, 402, 403, 409, 411)),
    ("postmark", pm(406), OF_ADDRESS),
    ("postmark", pm(406, 200), OF_ADDRESS),
    ("postmark", Reply(422, {"ErrorCode": 300, "Message": "Invalid 'To' address: 'bea@home.example'."}), OF_ADDRESS),
    *(
        ("postmark", Reply(422, {"ErrorCode": 300, "Message": f"Invalid {field} address: 'a@b'."}), Misconfigured)
        for field in ("'From'", "'ReplyTo'")
    ),
    ("postmark", Reply(422, {"ErrorCode": 300, "Message": "Error parsing 'To': '\"'From'\" <a@b>'."}), OF_ADDRESS),
    ("postmark", pm(100, 503), Deferred),
    ("postmark", pm(429, 429), Deferred),
    ("postmark", pm(0, 500), Deferred),
    ("postmark", Reply(413), Refused),
    ("sendgrid", sg(400, "subject"), Refused),
    ("sendgrid", sg(400, "personalizations.0.to.0.email", "Does not contain a valid address."), OF_ADDRESS),
    *(("sendgrid", sg(400, field), Misconfigured) for field in ("from", "from.email", "reply_to")),
    ("sendgrid", sg(401), Misconfigured),
    ("sendgrid", sg(401, message="Maximum credits exceeded"), Misconfigured),
    ("sendgrid", sg(403, "from", "The from address does not match a verified Sender Identity."), Misconfigured),
    ("sendgrid", sg(413), Refused),
    ("sendgrid", sg(429), Deferred),
    ("sendgrid", Reply(400, {"errors": [7]}), Refused),
    ("sendgrid", Reply(400, {"errors": {}}), Refused),
    *(("mailchimp", mc(status), Accepted) for status in ("sent", "queued", "scheduled")),
    *(("mailchimp", mc("rejected", why), OF_ADDRESS) for why in ("hard-bounce", "spam", "unsub", "custom", "invalid")),
    *(("mailchimp", mc("rejected", why), Refused) for why in ("soft-bounce", "rule", None, "new")),
    *(("mailchimp", mc("rejected", why), Misconfigured) for why in ("invalid-sender", "unsigned", "test-mode-limit")),
    ("mailchimp", mc("invalid"), OF_ADDRESS),
    *(
        ("mailchimp", mc_error(name), Misconfigured)
        for name in ("Invalid_Key", "PaymentRequired", "Unknown_Subaccount")
    ),
    ("mailchimp", mc_error("Invalid_Key", 401), Misconfigured),
    ("mailchimp", mc_error("ValidationError"), Refused),
    ("mailchimp", mc_error("ValidationError", 422), Refused),
    ("mailchimp", mc_error("ValidationError", message='{"message":{"from_email":"why"}}'), Misconfigured),
    *(("mailchimp", mc_error(name), Deferred) for name in ("GeneralError", "ServiceUnavailable", "NewError")),
    ("resend", rs(400, "validation_error"), Refused),
    ("resend", rs(400, "invalid_idempotency_key"), Refused),
    ("resend", rs(401, "missing_api_key"), Misconfigured),
    ("resend", rs(401, "restricted_api_key"), Misconfigured),
    ("resend", rs(403, "invalid_api_key"), Misconfigured),
    ("resend", rs(403, "validation_error", "The domain is not verified."), Misconfigured),
    ("resend", rs(409, "invalid_idempotent_request"), Refused),
    ("resend", rs(409, "concurrent_idempotent_requests"), Deferred),
    ("resend", rs(422, "validation_error", "Invalid `to` field."), OF_ADDRESS),
    ("resend", rs(422, "invalid_from_address"), Misconfigured),
    *(("resend", rs(422, "validation_error", f"Invalid `{f}` field."), Misconfigured) for f in ("from", "reply_to")),
    ("resend", rs(422, "missing_required_field"), Refused),
    ("resend", rs(451, "security_error"), Refused),
    *(("resend", rs(429, name), Deferred) for name in ("rate_limit_exceeded", "daily_quota_exceeded")),
    ("resend", rs(500, "application_error"), Deferred),
    *((scheme, Reply(status), Deferred) for scheme in PROVIDERS for status in (302, 307, 408, 429, 500, 502, 503, 520)),
    *((scheme, Reply(status), Misconfigured) for scheme in PROVIDERS for status in (401, 403, 404)),
    *((scheme, Reply(status), Refused) for scheme in PROVIDERS for status in (400, 413, 422)),
]


async def test_every_documented_answer_of_a_provider_is_one_of_four_outcomes(provider):
    wrong = []
    async with contextlib.AsyncExitStack() as stack:
        urls = {scheme: f"{scheme}://T?endpoint={provider.url}" for scheme in PROVIDERS}
        mailers = {scheme: await stack.enter_async_context(opened(url)) for scheme, url in urls.items()}
        for scheme, reply, expected in CLASSES:
            provider.replies = [dataclasses.replace(reply, headers={**reply.headers, "Location": "/x"})]
            outcome = await mailers[scheme].send(mail())
            got = OF_ADDRESS if getattr(outcome, "of_address", False) else type(outcome)
            clean = "@" not in repr(outcome) and not getattr(outcome, "maybe_duplicate", False)
            if got is not expected or not clean:
                wrong.append((scheme, reply, expected, outcome))
    assert wrong == []
    assert {asked.path for asked in provider.asked} == {path for path, _, _ in ASKED.values()}


@pytest.mark.parametrize("scheme", PROVIDERS)
@pytest.mark.parametrize(
    "reply",
    [
        Reply(200, b"<html>Please log in to this network"),
        Reply(200, {}),
        Reply(200, []),
        Reply(200, [None]),
        Reply(200, b"[" * 100_000),
        Reply(200, {"id": "x", "ErrorCode": 0, "pad": "x" * 1_100_000}),
        Reply(200, b"null", {"Content-Encoding": "gzip"}),
        Reply(504),
        Reply(cut=True),
        Reply(stall_seconds=0.8),
    ],
    ids=lambda reply: repr(reply)[:80],
)
async def test_an_answer_that_says_nothing_may_mean_that_the_mail_is_sent(provider, scheme, reply, monkeypatch):
    monkeypatch.setattr("app.mail.http_provider.HTTP_TOTAL_SECONDS", 0.5 if reply.stall_seconds else 15)
    outcome = await sent(provider, scheme, mail(), reply)
    assert (type(outcome), outcome.maybe_duplicate) == (Deferred, True)


@pytest.mark.parametrize("scheme", PROVIDERS)
async def test_a_provider_that_cannot_be_reached_has_not_got_the_mail(scheme):
    with HttpSink() as gone:
        pass
    assert await sent(gone, scheme, mail()) == Deferred("disconnected", "The provider cannot be reached.")


async def test_connections_to_a_provider_are_used_again(provider):
    provider.replies = [GOOD["resend"]]
    async with opened(f"resend://T?endpoint={provider.url}", concurrency=1) as mailer:
        assert [await mailer.send(mail()) for _ in range(5)] == [Accepted("id-1")] * 5
    assert provider.connections == 1


async def test_providers_say_when_to_come_back(provider):
    for scheme in PROVIDERS:
        outcome = await sent(
            provider, scheme, mail(), Reply(429, {"name": "x", "ErrorCode": 429}, {"Retry-After": "37"})
        )
        assert outcome.retry_after_seconds == 37
    reset = str(int(time.time()) + 50)
    outcome = await sent(provider, "sendgrid", mail(), sg(429, **{"X-RateLimit-Reset": reset}))
    assert 45 <= outcome.retry_after_seconds <= 50
    assert (
        await sent(provider, "sendgrid", mail(), sg(429, **{"X-RateLimit-Reset": "soon"}))
    ).retry_after_seconds is None


@pytest.mark.parametrize(
    ("value", "low", "high"),
    [
        ("0", 0, 0),
        (" 120 ", 120, 120),
        ("99999", 99999, 99999),
        ("9" * 5000, 10**9, 10**9),
        ("Fri, 13 Nov 2026 03:50:24 GMT", 0, 0),
        ("Wed, 21 Oct 2015 07:28:00", 0, 0),
    ],
)
def test_retry_after_is_seconds_or_a_date(value, low, high):
    assert low <= retry_after({"retry-after": value}) <= high


def test_retry_after_counts_from_now():
    in_nine_days = format_datetime(datetime.now(UTC) + timedelta(days=9))
    assert 8 * 86400 <= retry_after({"retry-after": in_nine_days}) <= 9 * 86400


@pytest.mark.parametrize(
    "value", ["", "garbage", "-5", "1.5", "١٢", "Wed, 99 Oct 2015 07:28:00 GMT", "1e9", ", , ,", "\0"]
)
def test_a_garbled_retry_after_is_none(value):
    assert retry_after({"retry-after": value}) is None


# ---------------------------------------------------------------- feedback

HOOK = "https://shop.example/hooks/mail?x=1"


def signed(provider: str, body: bytes, at: float | None = None) -> Report:
    """A report as the provider would send it."""
    now = at or time.time()
    headers: dict[str, str] = {}
    match provider:
        case "postmark":
            headers["authorization"] = "Basic " + base64.b64encode(SECRETS["postmark"].encode()).decode()
        case "sendgrid":
            signature = KEY.sign(str(int(now)).encode() + body, ec.ECDSA(SHA256()))
            headers["x-twilio-email-event-webhook-timestamp"] = str(int(now))
            headers["X-Twilio-Email-Event-Webhook-Signature"] = base64.b64encode(signature).decode()
        case "mailchimp":
            form = body.decode("utf-8", "surrogateescape")
            body = urlencode({"z": "é", "mandrill_events": form}, errors="surrogateescape").encode()
            text = f"{HOOK}mandrill_events{form}zé".encode("utf-8", "replace")
            digest = hmac.digest(SECRETS["mailchimp"].encode(), text, hashlib.sha1)
            headers["X-Mandrill-Signature"] = base64.b64encode(digest).decode()
        case _:
            moment = datetime.fromtimestamp(int(now), UTC)
            signature = Webhook(SECRETS["resend"]).sign("msg_1", moment, body.decode("utf-8", "replace"))
            headers |= {"svix-id": "msg_1", "svix-timestamp": str(int(now)), "Svix-Signature": f"v1a,x== {signature}"}
    return Report(HOOK, headers, body)


def pm_event(kind: str, bounce: str | None = None, reference: object = "acc_1.msg_42") -> dict:
    return {"RecordType": kind, "Type": bounce, "Metadata": {"reference": reference}, "Email": "bea@home.example"}


def sg_event(event: str, **more: str) -> list:
    return [{"event": event, "email": "bea@home.example", "reference": "acc_1.msg_42", **more}]


def mc_event(event: str) -> list:
    return [{"event": event, "msg": {"metadata": {"reference": "acc_1.msg_42"}, "email": "bea@home.example"}}]


def rs_event(kind: str, **more: object) -> dict:
    return {"type": kind, "data": {"tags": {"reference": "acc_1-msg_42"}, "to": ["bea@home.example"], **more}}


DELIVERED, COMPLAINED = Feedback(1, 42, "delivered"), Feedback(1, 42, "complained")
LEFT = Feedback(1, 42, "unsubscribed")
SOFT = Feedback(1, 42, "bounced")
BOUNCED = dataclasses.replace(SOFT, permanent=True)
EVENTS = [
    ("postmark", pm_event("Delivery"), [DELIVERED]),
    ("postmark", pm_event("Bounce", "HardBounce"), [BOUNCED]),
    ("postmark", pm_event("Bounce", "BadEmailAddress"), [BOUNCED]),
    ("postmark", pm_event("Bounce", "SoftBounce"), [SOFT]),
    ("postmark", pm_event("Bounce", "Blocked"), [SOFT]),
    ("postmark", pm_event("Bounce", "Transient"), []),
    ("postmark", pm_event("Bounce", "AutoResponder"), []),
    ("postmark", pm_event("Bounce", "SpamComplaint"), [COMPLAINED]),
    ("postmark", pm_event("SpamComplaint"), [COMPLAINED]),
    ("postmark", pm_event("Open"), []),
    *(
        ("postmark", pm_event("SubscriptionChange") | {"SuppressSending": bool(why), "SuppressionReason": why}, told)
        for why, told in (("ManualSuppression", [LEFT]), ("HardBounce", []), ("SpamComplaint", []), (None, []))
    ),
    ("postmark", pm_event("Delivery", reference="order-7"), []),
    ("postmark", pm_event("Delivery", reference=7), []),
    ("postmark", {"RecordType": "Delivery", "Metadata": 7}, []),
    ("postmark", {"RecordType": ["Delivery"], "Type": {}}, []),
    ("sendgrid", [*sg_event("delivered"), 7, *sg_event("bounce", type="bounce")], [DELIVERED, BOUNCED]),
    ("sendgrid", sg_event("bounce", type="blocked"), [SOFT]),
    ("sendgrid", sg_event("dropped", reason="Bounced Address"), [BOUNCED]),
    ("sendgrid", sg_event("dropped", reason="Invalid"), [BOUNCED]),
    ("sendgrid", sg_event("dropped", reason="Spam Reporting Address"), [COMPLAINED]),
    ("sendgrid", sg_event("dropped", reason="Unsubscribed Address"), [SOFT]),
    ("sendgrid", sg_event("spamreport"), [COMPLAINED]),
    ("sendgrid", sg_event("unsubscribe") + sg_event("group_unsubscribe"), [LEFT, LEFT]),
    ("sendgrid", sg_event("group_resubscribe"), []),
    ("sendgrid", sg_event("deferred") + sg_event("open") + sg_event("new"), []),
    ("mailchimp", mc_event("send") + mc_event("hard_bounce"), [DELIVERED, BOUNCED]),
    ("mailchimp", mc_event("delivered"), [DELIVERED]),
    ("mailchimp", mc_event("soft_bounce") + mc_event("reject"), [SOFT, SOFT]),
    ("mailchimp", mc_event("spam"), [COMPLAINED]),
    ("mailchimp", mc_event("unsub"), [LEFT]),
    ("mailchimp", mc_event("open") + mc_event("deferral") + [{"event": "send", "msg": "x"}], []),
    ("resend", rs_event("email.delivered"), [DELIVERED]),
    ("resend", rs_event("email.delivered", tags=[{"name": "reference", "value": "acc_1-msg_42"}]), [DELIVERED]),
    ("resend", rs_event("email.bounced", bounce={"type": "Permanent", "subType": "Suppressed"}), [BOUNCED]),
    ("resend", rs_event("email.bounced", bounce={"type": "Transient"}), [SOFT]),
    ("resend", rs_event("email.suppressed"), [BOUNCED]),
    ("resend", rs_event("email.failed"), [SOFT]),
    ("resend", rs_event("email.complained"), [COMPLAINED]),
    ("resend", rs_event("email.opened"), []),
    ("postmark", pm_event("Bounce", "HardBounce") | {"Email": 7}, [BOUNCED]),
    *(("resend", rs_event("email.suppressed", to=to), [BOUNCED]) for to in ("a@b", [], [7], ["a@b", "c@d"], None)),
    ("resend", {"type": "contact.created", "data": None}, []),
]


@pytest.mark.parametrize(("provider", "body", "told"), EVENTS, ids=str)
def test_what_a_provider_reports_is_feedback(provider, body, told):
    report = signed(provider, json.dumps(body).encode())
    assert feedback_reader(provider)(report, SECRETS[provider]) == told


def forgeries(report: Report) -> Iterator[Report]:
    """Nine ways to sign wrongly, for each header of the signature."""
    yield dataclasses.replace(report, headers={})
    yield dataclasses.replace(report, body=report.body + b" ")
    yield dataclasses.replace(report, body=b"")
    for name, value in report.headers.items():
        if name.endswith(("id", "timestamp")):
            wrong = ["", "0", "nan", "ä", str(int(time.time()) + 1)]
        else:
            wrong = [
                "",
                "ä\ud800",
                "v1",
                "Basic",
                "Basic ä",
                "!",
                f"Bearer {value[6:]}",
                value[:-6] + "AAAA==",
                value[::-1],
                value.swapcase(),
            ]
        for each in wrong:
            yield dataclasses.replace(report, headers={**report.headers, name: each})


@pytest.mark.parametrize("provider", SECRETS)
def test_a_report_that_is_not_signed_is_not_read(provider):
    read, body = feedback_reader(provider), json.dumps(sg_event("delivered")).encode()
    report = signed(provider, body)
    for forged in forgeries(report):
        if provider == "postmark" and forged.headers == report.headers:
            continue  # a password says nothing of the body
        with pytest.raises(ForgedFeedback):
            read(forged, SECRETS[provider])
    for secret in ("", "ä", "other", "user:password", "whsec_", "whsec_ä", base64.b64encode(b"other").decode()):
        with pytest.raises(ForgedFeedback):
            read(report, secret)


def test_a_report_of_mailchimp_is_signed_for_one_url():
    report = signed("mailchimp", b"[]")
    with pytest.raises(ForgedFeedback):
        feedback_reader("mailchimp")(dataclasses.replace(report, url=HOOK + "/"), SECRETS["mailchimp"])


def test_the_first_test_of_a_new_webhook_of_mailchimp_is_answered():
    digest = hmac.digest(b"test-webhook", f"{HOOK}mandrill_events[]".encode(), hashlib.sha1)
    headers = {"x-mandrill-signature": base64.b64encode(digest).decode()}
    report = Report(HOOK, headers, urlencode({"mandrill_events": "[]"}).encode())
    assert feedback_reader("mailchimp")(report, SECRETS["mailchimp"]) == []

    listed = json.dumps(mc_event("spam"))
    digest = hmac.digest(b"test-webhook", f"{HOOK}mandrill_events{listed}".encode(), hashlib.sha1)
    headers = {"x-mandrill-signature": base64.b64encode(digest).decode()}
    with pytest.raises(ForgedFeedback):
        feedback_reader("mailchimp")(Report(HOOK, headers, urlencode({"mandrill_events": listed}).encode()), "key")


def test_no_secret_is_no_password():
    report = Report(HOOK, {"Authorization": "Basic "}, json.dumps(pm_event("Delivery")).encode())
    with pytest.raises(ForgedFeedback):
        feedback_reader("postmark")(report, "")


@pytest.mark.parametrize(
    ("provider", "age", "good"),
    [
        ("sendgrid", 0, True),
        ("sendgrid", 24 * 3600, True),
        ("sendgrid", 26 * 3600, False),
        ("sendgrid", -600, False),
        ("resend", 240, True),
        ("resend", 360, False),
        ("resend", -360, False),
    ],
)
def test_a_report_that_was_signed_too_long_ago_is_not_read(provider, age, good):
    body = rs_event("email.delivered") if provider == "resend" else sg_event("delivered")
    report = signed(provider, json.dumps(body).encode(), at=time.time() - age)
    if good:
        assert feedback_reader(provider)(report, SECRETS[provider]) == [DELIVERED]
        return
    with pytest.raises(ForgedFeedback):
        feedback_reader(provider)(report, SECRETS[provider])


@pytest.mark.parametrize("provider", SECRETS)
@pytest.mark.parametrize(
    "body", [b"", b"{", b"7", b'"x"', b"null", b"[" * 100_000, b"\xff\xfe"], ids=lambda body: repr(body[:9])
)
def test_a_signed_report_that_cannot_be_read_says_so(provider, body):
    if provider in {"mailchimp", "resend"} and body == b"\xff\xfe":
        body = b"text, or it could not have been signed"
    with pytest.raises(UnreadableBody):
        feedback_reader(provider)(signed(provider, body), SECRETS[provider])


def test_there_is_a_reader_for_every_provider_that_reports():
    assert {scheme for scheme in SCHEMES if feedback_reader(scheme)} == {*PROVIDERS} == {*SECRETS}


# ---------------------------------------------------------------- choosing


@pytest.mark.parametrize(
    "url",
    [
        "",
        SECRET,
        f"ftp://{SECRET}@host",
        f"smtp://user:{SECRET}@relay.example",
        f"smtp+starttls://user:{SECRET}#x@relay.example",
        f"smtp+starttls://user:{SECRET}?x@relay.example",
        f"smtp+starttls://user:{SECRET}/x@relay.example",
        f"smtp+starttls://user:{SECRET}@",
        f"smtps://user:{SECRET}@relay.example:99999",
        f"smtps://relay.example:{SECRET}",
        f"smtps://user:{SECRET}@[relay.example",
        f"smtps://user:{SECRET}℀@relay.example",
        f"smtps://user:{SECRET}@relay.example?verify=no",
        f"smtps://user:{SECRET}@relay.example?ca=/nowhere/{SECRET}",
        f"smtps://user:{SECRET}@relay.example?answer_seconds={SECRET}",
        f"smtps://user:{SECRET}@relay.example?answer_seconds=0",
        f"smtp://relay.example?ca=/{SECRET}",
        "postmark://",
        f"postmark://{SECRET}%0d%0aX-Y:z",
        f"postmark://{SECRET}?server=x",
        f"sendgrid://{SECRET}?stream=x",
        f"resend://{SECRET}?endpoint=http://relay.example",
        f"resend://{SECRET}?endpoint=https://[",
        f"resend://{SECRET}/x",
        "maildir:",
        "maildir:///",
        f"maildir://{SECRET}/x",
        f"maildir:x%00{SECRET}",
    ],
)
def test_a_wrong_url_is_told_in_one_sentence_without_its_secret(url):
    with pytest.raises(ValueError, match=r"^must [^\n]+$") as wrong:
        open_mailer(url, concurrency=1)
    assert SECRET not in str(wrong.value)
    assert wrong.value.__cause__ is None
    assert wrong.value.__suppress_context__ or wrong.value.__context__ is None


async def test_urls_choose_the_mailer():
    for url, host, port, login in (
        ("smtp://relay.example", "relay.example", 25, None),
        ("SMTP+STARTTLS://u%40x:p%2F%3A@relay.example", "relay.example", 587, ("u@x", "p/:")),
        ("smtps://key:@relay.example:2465", "relay.example", 2465, ("key", "")),
        ("smtp://u:p@[::1]:1025", "::1", 1025, ("u", "p")),
    ):
        async with opened(url) as mailer:
            relay = mailer._relay
            assert (relay.host, relay.port, relay.login, relay.answer_seconds) == (host, port, login, 600)
            assert mailer._tls is None or mailer._tls.verify_mode == ssl.CERT_REQUIRED
    assert open_mailer("maildir:var/mail", concurrency=1).folder == Path("var/mail")
    assert open_mailer("maildir:///srv/my%20mail", concurrency=1).folder == Path("/srv/my mail")
