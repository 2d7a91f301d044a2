"""The demo store: two shops with plausible orders up to now, so that a first request shows something.

The same every time but for the dates: skewed like a real shop (few customers buy often, few
orders are large), with guests, refunds, cancellations and test orders.
"""

import math
import os
import random
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import text

from app.accounts.open_account import open_account
from app.accounts.statements import SELECT_HAS_ACCOUNTS, UPSERT_SENDER
from app.boards.recount import rebuild
from app.boards.source import Source
from app.database.pools import Connection, Database
from app.orders.import_orders import BATCH_ROWS
from app.orders.ingest import ingest
from app.orders.normal_form import Order, normalised
from app.sources.connect_source import connect_source
from app.sources.statements import INSERT_AUDIENCE
from app.wire.ids import public_id
from app.wire.instants import now_in_utc, rfc3339
from app.wire.money import decimal_string

DAYS = 800
SENDER = {
    "name": "Bottega Roma",
    "email": "ciao@bottega.example",
    "reply_to": None,
    "postal_address": "Via Roma 1, 00184 Roma, Italy",
}
SUBSCRIBE_CUSTOMERS = text("""
    UPDATE customers SET marketing = 'subscribed'
    WHERE account_id = :account_id AND source_id = :source_id AND id % 5 < 3
""")
"""Three of five agreed to get offers, so that there is somebody to write to."""
GIVEN = ("Ada", "Bea", "Carlo", "Dora", "Emil", "Fatima", "Gino", "Hana", "Ivo", "Jun", "Kaja", "Luis", "Mara", "Noor")
FAMILY = ("Rossi", "Weber", "García", "Tanaka", "Novak", "Moreau", "Silva", "Larsen", "Okafor", "Sato", "Costa")


class DemoStore(NamedTuple):
    """A made-up store; `median_minor` is its median order in minor units."""

    name: str
    currency: str
    time_zone: str
    orders: int
    customers: int
    median_minor: int


DEMO_STORES = (
    DemoStore("Bottega Roma", "EUR", "Europe/Rome", orders=35_000, customers=6_000, median_minor=4_200),
    DemoStore("Kyoto Tea", "JPY", "Asia/Tokyo", orders=15_000, customers=2_500, median_minor=5_400),
)


def demo_orders(store: DemoStore, source: Source, now: datetime) -> Iterator[dict[str, object]]:
    """The orders of a demo store, oldest first; the same numbers at every call."""
    dice = random.Random(store.name)  # noqa: S311 - a demo must repeat itself, nothing is secret here
    middle = math.log(store.median_minor)
    step = timedelta(days=DAYS) / store.orders
    for number in range(store.orders):
        customer = int(store.customers * dice.random() ** 2.6)
        total = max(100, int(dice.lognormvariate(middle, 0.8)))
        total -= total % 10 if source.digits else total % 100
        ordered_at = now - step * (store.orders - number) + step * dice.random()
        kind = dice.random()
        status = "refunded" if kind < 0.01 else "cancelled" if kind < 0.03 else "paid"
        refunded = total if status == "refunded" else 0
        if 0.03 <= kind < 0.05:
            status, refunded = "partially_refunded", total // 3 - total // 3 % 10
        name = f"{GIVEN[customer % len(GIVEN)]} {FAMILY[customer // len(GIVEN) % len(FAMILY)]}"
        is_guest = customer % 9 == 0
        yield {
            "order_id": f"{source.currency}-{number + 1}",
            "customer_id": None if is_guest else f"{customer:05}",
            "email": f"{name.split(maxsplit=1)[0].lower()}.{customer:05}@example.test",
            "name": name,
            "ordered_at": rfc3339(ordered_at),
            "updated_at": rfc3339(ordered_at),
            "total": decimal_string(total, source.digits),
            "refunded": decimal_string(refunded, source.digits),
            "items": 1 + int(dice.random() ** 3 * 8),
            "status": status,
            "test": kind > 0.999,
        }


async def ensure_demo(database: Database, url: str, key_file: Path) -> None:
    """Fill a database that has no account, all or nothing, and print how to ask it; a file keeps the key."""
    async with database.read() as conn:
        if (await conn.execute(SELECT_HAS_ACCOUNTS)).scalar_one():
            return
    now = now_in_utc()
    print("Filling the demo store, some seconds …", file=sys.stderr, flush=True)
    async with database.write() as conn:
        account_id, key = await open_account(conn, "Demo", "paid", now)
        await conn.execute(UPSERT_SENDER, SENDER | {"account_id": account_id, "now": now})
        sources = [await _open_store(conn, account_id, store, now) for store in DEMO_STORES]
        _keep(key_file, key)
    _tell(url, key, key_file, sources[0])


async def _open_store(conn: Connection, account_id: int, store: DemoStore, now: datetime) -> Source:
    audience = {"account_id": account_id, "name": f"{store.name} customers", "now": now}
    settings = {"name": store.name, "currency": store.currency, "time_zone": store.time_zone}
    settings |= {"platform": "custom", "week_start": "monday"}
    audience_id = (await conn.execute(INSERT_AUDIENCE, audience)).scalar_one()
    source = await connect_source(conn, account_id, audience_id, settings, now)
    rows = (normalised(row, source, now) for row in demo_orders(store, source, now))
    while batch := [order for order in islice(rows, BATCH_ROWS) if isinstance(order, Order)]:
        await ingest(conn, source, batch, now, defer_standings=True)
    await rebuild(conn, source, now)
    await conn.execute(SUBSCRIBE_CUSTOMERS, source.key)
    return source


def _keep(key_file: Path, key: str) -> None:
    key_file.unlink(missing_ok=True)
    with open(key_file, "x", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
        file.write(f"{key}\n")


def _tell(url: str, key: str, key_file: Path, source: Source) -> None:
    where = f"audience={public_id('aud', source.audience_id)}&source={public_id('src', source.id)}"
    ask = f"curl -sH 'Authorization: Bearer {key}'"
    print(f"""
The demo account's API key, also in {key_file}:

  {key}

Ask it:

  {ask} '{url}/leaderboard?{where}&limit=3'
  {ask} '{url}/leaderboard?{where}&time_frame=year_to_date&rank_by=number_of_purchases&compare=previous&limit=3'
  {ask} -H 'Accept: text/csv' '{url}/leaderboard?{where}&time_frame=all_time' | head
""", flush=True)  # fmt: skip
