"""Postal scenes: a store that writes to its customers, and a worker that sends."""

import asyncio
import contextlib
import itertools
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import httpx
from mail_sinks import Script, SmtpSink, Taken, smtp_sink
from shop import OPERATOR, Store, order

from app.database.pools import Database
from app.mail.choose_mailer import open_mailer
from app.messages.consent.unsubscribe_token import Recipient, token
from app.messages.sending.claim_messages import SendingLimits
from app.messages.sending.compose_mail import Site
from app.messages.sending.deliver_messages import Delivery

SENDER = {
    "name": "Ada's shop",
    "email": "hello@shop.example",
    "reply_to": "care@shop.example",
    "postal_address": "Via Roma 1\n20121 Milano, Italy",
}
SITE = Site("https://loyal.shop.example")
FAST = SendingLimits(rate_per_second=10_000, burst=10_000)
NUMBERS = itertools.count(1)


async def set_sender(store: Store, **fields: Any) -> httpx.Response:
    answer = await store.api.patch("/account", json={"sender": SENDER | fields}, headers=store.auth)
    assert answer.status_code == 200, answer.text
    return answer


async def customer(store: Store, name: str, email: str | None = "", marketing: str | None = "subscribed") -> str:
    """The id of a new customer, who bought something once."""
    address = f"{name}@example.test" if email == "" else email
    await store.send(order(f"first-{name}-{next(NUMBERS)}", name, email=address, name=name.title()))
    found = await store.api.get("/customers", params={"source": store.source, "external_id": name}, headers=store.auth)
    customer_id: str = found.json()["items"][0]["id"]
    if marketing is not None:
        await store.agree(customer_id, marketing)
    return customer_id


async def customers(store: Store, *names: str, marketing: str | None = "subscribed") -> dict[str, str]:
    """The ids of new customers by their names, at `name@example.test`."""
    await store.send(
        *(order(f"first-{name}-{next(NUMBERS)}", name, email=f"{name}@example.test", name=name) for name in names)
    )
    params = {"source": store.source, "limit": 1000}
    found = (await store.api.get("/customers", params=params, headers=store.auth)).json()["items"]
    ids = {row["external_id"]: row["id"] for row in found if row["external_id"] in names}
    if marketing is not None:
        await asyncio.gather(*(store.agree(each, marketing) for each in ids.values()))
    return ids


def key() -> dict[str, str]:
    """A new idempotency key."""
    return {"Idempotency-Key": uuid.uuid4().hex}


async def post(store: Store, customer_id: str, headers: dict[str, str] | None = None, **fields: Any) -> httpx.Response:
    body = {"customer": customer_id, "subject": "Hello", "text": "A word.\n"} | fields
    body = {name: value for name, value in body.items() if value is not None}
    return await store.api.post("/messages", json=body, headers=store.auth | (headers or key()))


async def queued(store: Store, customer_id: str, **fields: Any) -> str:
    """The id of a message that was taken."""
    answer = await post(store, customer_id, **fields)
    assert answer.status_code == 202, answer.text
    message: str = answer.json()["id"]
    return message


async def queued_for_all(store: Store, customer_ids: Iterable[str], **fields: Any) -> dict[str, str]:
    """The ids of the messages of a batch, by the customers they are to."""
    body = {"subject": "Hello", "text": "A word.\n", "to": {"customers": [*customer_ids]}} | fields
    answer = await store.api.post("/messages/batch", json=body, headers=store.auth | key())
    assert answer.status_code == 202, answer.text
    assert answer.json()["refused"] == 0, answer.text
    return {line["customer"]: line["message"] for line in answer.json()["results"]}


async def all_seen(store: Store, **question: Any) -> dict[str, dict[str, Any]]:
    """The messages of an account, without their text, by id."""
    params = {"limit": 1000} | question
    rows: dict[str, dict[str, Any]] = {}
    while True:
        page = (await store.api.get("/messages", params=params, headers=store.auth)).json()
        rows |= {row["id"]: row for row in page["items"]}
        if page["next_cursor"] is None:
            return rows
        params["cursor"] = page["next_cursor"]


async def known(store: Store, customer_id: str) -> tuple[str, list[tuple[str, str]]]:
    """A customer's consent, and how it came about: `(marketing, [(marketing, changed_by), …])`."""
    answer = await store.api.get(f"/customers/{customer_id}/export", headers=store.auth)
    assert answer.status_code == 200, answer.text
    whole = answer.json()
    return whole["marketing"], [(each["marketing"], each["changed_by"]) for each in whole["consent_history"]]


async def change_plan(store: Store, plan: str) -> None:
    auth = {"Authorization": f"Bearer {OPERATOR}"}
    answer = await store.api.patch(f"/accounts/{store.account}", json={"plan": plan}, headers=auth)
    assert answer.status_code == 200, answer.text


def number_in(public_id: str) -> int:
    return int(public_id.rpartition("_")[2])


async def unsubscribe_path(store: Store, sql: asyncpg.Connection, customer_id: str, message: str) -> str:
    """The path of the link in a message."""
    account = number_in(store.account)
    secret = await sql.fetchval("SELECT cursor_secret FROM accounts WHERE id = $1", account)
    return f"/unsubscribe/{token(secret, Recipient(account, number_in(customer_id), number_in(message)))}"


async def seen(store: Store, message: str) -> dict[str, Any]:
    answer = await store.api.get(f"/messages/{message}", headers=store.auth)
    assert answer.status_code == 200, answer.text
    whole: dict[str, Any] = answer.json()
    return whole


@dataclass(frozen=True)
class Postbox:
    """A sink that many tests share, as one of them sees it."""

    sink: SmtpSink
    before: int

    @property
    def url(self) -> str:
        return self.sink.url

    @property
    def taken(self) -> list[Taken]:
        """What was taken since the test has begun."""
        return self.sink.taken[self.before :]


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = 30) -> None:
    """Wait for what a worker does."""
    end = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < end, "waited too long"
        await asyncio.sleep(0.02)


async def is_now(store: Store, message: str, status: str) -> bool:
    return bool((await seen(store, message))["status"] == status)


async def somebody_waits(sql: asyncpg.Connection) -> bool:
    """Whether a transaction waits for a lock of another one."""
    return bool(await sql.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted") > 0)


async def has_taken(box: Postbox | SmtpSink, least: int) -> bool:
    return len(box.taken) >= least


@contextlib.contextmanager
def sink(folder: Path, script: Script | None = None, **options: Any) -> Iterator[SmtpSink]:
    with smtp_sink(folder / f"taken-{next(NUMBERS)}.jsonl", script, **options) as running:
        yield running


async def deliver(database: Database, clock: Any, url: str, limits: SendingLimits = FAST) -> None:
    """Send what is due, once."""
    mailer = open_mailer(url, concurrency=limits.concurrency)
    try:
        await Delivery(database, mailer, clock, limits, SITE).run(asyncio.Event(), until_idle=True)
    finally:
        await mailer.close()


@contextlib.asynccontextmanager
async def delivering(database: Database, clock: Any, url: str, limits: SendingLimits = FAST) -> AsyncIterator[None]:
    """A worker that sends until the block ends."""
    stop = asyncio.Event()
    mailer = open_mailer(url, concurrency=limits.concurrency)
    task = asyncio.create_task(Delivery(database, mailer, clock, limits, SITE).run(stop))
    try:
        yield
    finally:
        stop.set()
        await task
        await mailer.close()
