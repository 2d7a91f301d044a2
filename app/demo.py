"""The demo store: two shops with plausible orders up to now, so that a first request shows something.

The same every time but for the dates: skewed like a real shop (few customers buy often, few
orders are large), with guests, refunds, cancellations and test orders.
"""

import math
import os
import random
import sys
from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta
from pathlib import Path

from app.accounts.keys import any_account
from app.accounts.open_account import open_account
from app.database import Database
from app.main import now_in_utc
from app.orders.import_orders import import_orders
from app.orders.read_rows import Line
from app.orders.source import Source
from app.sources import stores
from app.sources.connect_source import connect_source
from app.wire import decimal_string, public_id, rfc3339

DAYS = 800
ROWS_AT_ONCE = 500
GIVEN = ("Ada", "Bea", "Carlo", "Dora", "Emil", "Fatima", "Gino", "Hana", "Ivo", "Jun", "Kaja", "Luis", "Mara", "Noor")
FAMILY = ("Rossi", "Weber", "García", "Tanaka", "Novak", "Moreau", "Silva", "Larsen", "Okafor", "Sato", "Costa")

SHOPS = (
    {"name": "Bottega Roma", "currency": "EUR", "time_zone": "Europe/Rome", "orders": 35_000, "customers": 6_000,
     "middle_minor": 4_200},
    {"name": "Kyoto Tea", "currency": "JPY", "time_zone": "Asia/Tokyo", "orders": 15_000, "customers": 2_500,
     "middle_minor": 5_400},
)  # fmt: skip


def demo_orders(shop: dict[str, object], source: Source, now: datetime) -> Iterator[dict[str, object]]:
    """The orders of a demo shop, oldest first; the same numbers at every call."""
    dice = random.Random(str(shop["name"]))  # noqa: S311 - a demo must repeat itself, nothing is secret here
    count, customers = int(str(shop["orders"])), int(str(shop["customers"]))
    middle = math.log(float(str(shop["middle_minor"])))
    step = timedelta(days=DAYS) / count
    for number in range(count):
        customer = int(customers * dice.random() ** 2.6)
        total = max(100, int(dice.lognormvariate(middle, 0.8)))
        total -= total % 10 if source.digits else total % 100
        ordered_at = now - step * (count - number) + step * dice.random()
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


async def _lines(shop: dict[str, object], source: Source, now: datetime) -> AsyncIterator[list[Line]]:
    lines: list[Line] = []
    for number, row in enumerate(demo_orders(shop, source, now), 1):
        lines.append((number, row))
        if len(lines) == ROWS_AT_ONCE:
            yield lines
            lines = []
    yield lines


async def ensure_demo(database: Database, url: str, key_file: Path) -> None:
    """Fill a database that has no account, keep the demo account's key in a file, and print how to ask it."""
    async with database.read() as conn:
        if (await conn.execute(any_account())).scalar_one():
            return
    now = now_in_utc()
    async with database.write() as conn:
        account_id, key = await open_account(conn, "Demo", "paid", now)
        sources = []
        for shop in SHOPS:
            audience_id = (
                await conn.execute(stores.new_audience(account_id, f"{shop['name']} customers", now))
            ).scalar_one()
            settings = {name: str(shop[name]) for name in ("name", "currency", "time_zone")}
            settings |= {"platform": "custom", "week_start": "monday"}
            sources.append(await connect_source(conn, account_id, audience_id, settings, now))
    print("Filling the demo store, some seconds …", file=sys.stderr, flush=True)
    for shop, source in zip(SHOPS, sources, strict=True):
        await import_orders(database, source, _lines(shop, source, now), now_in_utc)
    _keep(key_file, key)
    _tell(url, key, key_file, sources[0])


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
