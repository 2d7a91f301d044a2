"""Data requests: a person asks what is stored about them, and the operator is told where to fetch it."""

from datetime import timedelta

import pytest
from webhooks_of_stores import SECRET, sent, shopify_order

from app.mail.choose_mailer import open_mailer
from app.sources.data_requests import TELL_DAYS, DataRequests, OperatorMailbox
from app.sources.settle_inbox import Inbox

pytestmark = pytest.mark.usefixtures("midday")

OPERATOR_ADDRESS = "data@operator.example"
SITE_URL = "https://leaderboard.example"
SCRIPT: dict[str, list[str]] = {"later@operator.example": ["450 4.2.0 later", "250"], "no@operator.example": ["550 no"]}


@pytest.fixture
async def shopify(open_store, database, connections, clock):
    """A store in which Ida has bought something."""
    store = await open_store(platform="shopify", webhook_secrets=[SECRET], name="Ida's =?utf-8?q?shop?=")
    await sent(store, "shopify", "orders/create", shopify_order(1, email="ida@shopper.example"))
    await Inbox(database, connections.vault, connections.connectors, clock).settle_all()
    return store


@pytest.fixture
async def asked(shopify, database, connections, clock):
    """Tells of a request, and settles it."""

    async def ask(**customer):
        await sent(shopify, "shopify", "customers/data_request", {"customer": customer})
        await Inbox(database, connections.vault, connections.connectors, clock).settle_all()

    return ask


@pytest.fixture
async def requests_to(database, clock, smtp):
    mailer = open_mailer(smtp.url, concurrency=1)

    def to(address=OPERATOR_ADDRESS):
        return DataRequests(database, clock, OperatorMailbox(address, mailer), SITE_URL)

    yield to
    await mailer.close()


async def test_the_operator_is_told_by_mail_where_to_fetch_what_is_stored(api, shopify, asked, requests_to, smtp, sql):
    await asked(id=7, email="ida@shopper.example")
    for _ in range(2):
        await requests_to().tell_all()

    (mail,) = smtp.taken
    assert (mail.sender, mail.recipient) == (OPERATOR_ADDRESS, OPERATOR_ADDRESS)
    text = mail.parsed.get_content()
    assert b"shopper" not in mail.content
    assert b"Marsh" not in mail.content
    assert mail.parsed["Subject"] == f"{shopify.source}: a customer asks for their data"
    path = text.partition(f"GET {SITE_URL}")[2].split()[0]
    export = await api.get(path, headers=shopify.auth)
    assert (export.status_code, export.json()["email"]) == (200, "ida@shopper.example")
    assert [each["order_id"] for each in export.json()["orders"]] == ["1"]
    assert await sql.fetchval("SELECT count(*) FROM data_requests") == 0


async def test_of_a_person_who_is_not_known_the_operator_is_told_that_nothing_is_stored(asked, requests_to, smtp):
    await asked(id=8, email="nobody@shopper.example")
    await requests_to().tell_all()
    (mail,) = smtp.taken
    assert "Nothing is stored about them." in mail.parsed.get_content()
    assert b"nobody" not in mail.content


async def test_a_mail_that_is_not_taken_is_tried_again_and_two_copies_can_be_told(asked, requests_to, smtp, clock):
    await asked(id=7)
    requests = requests_to("later@operator.example")
    await requests.tell_all()
    await requests.tell_all()
    before = len(smtp.taken)
    clock.now += timedelta(minutes=3)
    await requests.tell_all()
    assert (before, len(smtp.taken)) == (0, 1)


async def test_after_30_days_nobody_is_told_any_more_and_the_log_says_so(asked, requests_to, smtp, clock, sql, capsys):
    await asked(id=7)
    clock.now += TELL_DAYS + timedelta(seconds=1)
    await requests_to("no@operator.example").tell_all()
    assert smtp.taken == []
    assert await sql.fetchval("SELECT count(*) FROM data_requests") == 0
    assert "data request was not told" in capsys.readouterr().out


async def test_two_workers_tell_once(asked, requests_to, smtp, sql):
    await asked(id=7)
    one, other = requests_to(), requests_to()
    await one.tell_all()
    await other.tell_all()
    assert len(smtp.taken) == 1
