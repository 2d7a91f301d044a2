"""Scene: one made-up store, the same at every run, in a PostgreSQL of its own.

Skewed like a real store: a tenth of the customers places two fifths of the orders and few orders are large.
Some are of guests, known by their address alone; some are cancelled, refunded in whole or in part.
The same rows go into two files: a CSV for the service and what COPY takes for the orders table.
"""

import asyncio
import math
import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import asyncpg

from app.accounts.audit import COMMAND
from app.accounts.open_account import open_account
from app.boards.source import Source, read_source
from app.connecting import Urls, upgrade
from app.database.pools import Database
from app.local_postgres import LocalUrls, local_postgres
from app.settings import Settings, asyncpg_url
from app.sources.connect_source import connect_source
from app.sources.statements import INSERT_AUDIENCE
from app.wire.ids import public_id

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
"""The service's clock in the benchmarks: the boards are the same on whatever day they run."""

DAYS = 730
ORDERS_PER_CUSTOMER = 10
SKEW = 2.6
MIDDLE_TOTAL = math.log(4_200)
SPREAD = 0.8
GUEST_EVERY = 9
STATUSES = ((0.01, "refunded"), (0.03, "cancelled"), (0.05, "partially_refunded"), (1.0, "paid"))
"""Up to which throw of the dice an order has which status."""

CSV_COLUMNS = "order_id,customer_id,email,name,ordered_at,total,refunded,items,status,updated_at"
COPY_COLUMNS = (
    *("account_id", "source_id", "order_id", "customer_id", "guest_email", "ordered_at", "total", "refunded"),
    *("items", "status", "updated_at", "content_hash", "test"),
)


class Sale(NamedTuple):
    """One order before it is written; amounts in cents."""

    number: int
    customer: int
    ordered_at: str
    total: int
    refunded: int
    items: int
    status: str
    content_hash: int

    @property
    def is_guest(self) -> bool:
        """Whether it names no customer id."""
        return self.customer % GUEST_EVERY == 0

    def for_service(self) -> str:
        """A line of the CSV, with the columns that a shop exports."""
        known_as = "" if self.is_guest else f"{self.customer:07}"
        return (
            f"{self.number:08},{known_as},{address(self.customer)},Customer {self.customer},{self.ordered_at},"
            f"{self.total // 100}.{self.total % 100:02},{self.refunded // 100}.{self.refunded % 100:02},"
            f"{self.items},{self.status},{self.ordered_at}\n"
        )

    def for_copy(self, account_id: int, source_id: int) -> str:
        """A line for COPY: the row as it lies in the table; the customer's row id is its number."""
        guest_email = address(self.customer) if self.is_guest else "\\N"
        return (
            f"{account_id}\t{source_id}\t{self.number:08}\t{self.customer}\t{guest_email}\t{self.ordered_at}\t"
            f"{self.total}\t{self.refunded}\t{self.items}\t{self.status}\t{self.ordered_at}\t{self.content_hash}\tf\n"
        )


def address(customer: int) -> str:
    """The e-mail address of a customer."""
    return f"customer.{customer:07}@example.test"


def customers_of(orders: int) -> int:
    """How many customers a shop of that size has."""
    return max(1, orders // ORDERS_PER_CUSTOMER)


def sales(orders: int) -> Iterator[Sale]:
    """The orders of two years up to now, oldest first."""
    dice = random.Random(orders)
    customers = customers_of(orders)
    step = timedelta(days=DAYS) / orders
    begin = NOW - timedelta(days=DAYS)
    for number in range(orders):
        total = max(100, int(dice.lognormvariate(MIDDLE_TOTAL, SPREAD)))
        thrown = dice.random()
        status = next(status for most, status in STATUSES if thrown <= most)
        ordered_at = begin + step * (number + dice.random())
        yield Sale(
            number=number + 1,
            customer=1 + int(customers * dice.random() ** SKEW),
            ordered_at=ordered_at.isoformat(timespec="seconds"),
            total=total,
            refunded=total if status == "refunded" else total // 3 if status == "partially_refunded" else 0,
            items=1 + int(dice.random() ** 3 * 8),
            status=status,
            content_hash=dice.getrandbits(63),
        )


def write_files(orders: int, account_id: int, source_id: int, for_service: Path, for_copy: Path) -> None:
    """Both files, a row at a time."""
    with for_service.open("w") as csv_file, for_copy.open("w") as copy_file:
        csv_file.write(f"{CSV_COLUMNS}\n")
        for sale in sales(orders):
            csv_file.write(sale.for_service())
            copy_file.write(sale.for_copy(account_id, source_id))


STORE = {
    "name": "Shop",
    "platform": "custom",
    "currency": "EUR",
    "time_zone": "Europe/Rome",
    "week_start": "monday",
}
POOL_SIZE = int(Settings.model_fields["pool_size"].default)
POOL_WAIT_SECONDS = 30


@dataclass(frozen=True)
class Scene:
    """Where everything is; plain values, so that other processes can be told."""

    folder: str
    write: str
    read: str
    superuser: str
    key: str
    account_id: int
    audience_id: int
    source_id: int

    def on(self, database: str) -> "Scene":
        """The same in another database."""
        write, read, superuser = (_at(url, database) for url in (self.write, self.read, self.superuser))
        return replace(self, write=write, read=read, superuser=superuser)

    def database(self) -> Database:
        """Pools as the service has them."""
        read, write = asyncpg_url(self.read), asyncpg_url(self.write)
        return Database(write, read, pool_size=POOL_SIZE, pool_wait_seconds=POOL_WAIT_SECONDS)

    def board_path(self, **question: str | int) -> str:
        """The path of a page of a board."""
        asked = {
            "audience": public_id("aud", self.audience_id),
            "source": public_id("src", self.source_id),
            **question,
        }
        return "/leaderboard?" + "&".join(f"{name}={value}" for name, value in asked.items())

    async def source(self, database: Database) -> Source:
        """The store."""
        async with database.read() as conn:
            return await read_source(conn, self.account_id, self.source_id)


def _at(url: str, database: str) -> str:
    return f"{url.rpartition('/')[0]}/{database}"


async def run_as_superuser(scene: Scene, *statements: str) -> None:
    """Run what only the database's owner or superuser may."""
    conn = await asyncpg.connect(scene.superuser)
    try:
        for statement in statements:
            await conn.execute(statement)
    finally:
        await conn.close()


@contextmanager
def opened() -> Iterator[Scene]:
    """The scene, gone at the end."""
    with (
        tempfile.TemporaryDirectory(prefix="loyalty-benchmarks-") as folder,
        local_postgres(Path(folder, "postgres")) as urls,
    ):
        upgrade(Urls(asyncpg_url(urls.write), asyncpg_url(urls.read), embedded=True))
        yield asyncio.run(_furnished(folder, urls))


async def _furnished(folder: str, urls: LocalUrls) -> Scene:
    server = Path(folder, "postgres")
    password, port = ((server / name).read_text().strip() for name in ("password", "port"))
    superuser = f"postgresql://postgres:{password}@127.0.0.1:{port}/postgres"
    scene = Scene(folder, urls.write, urls.read, superuser, "", 0, 0, 0)
    database = scene.database()
    async with database.write() as conn:
        account_id, key = await open_account(conn, "Benchmark", "paid", COMMAND, NOW)
        audience = {"account_id": account_id, "name": "Everyone", "now": NOW}
        audience_id = (await conn.execute(INSERT_AUDIENCE, audience)).scalar_one()
        source = await connect_source(conn, account_id, audience_id, STORE, NOW)
    await database.close()
    copies = (f"CREATE DATABASE {name} TEMPLATE loyalty OWNER loyalty" for name in ("copied", "posted"))
    await run_as_superuser(scene, *copies)
    scene = scene.on("loyalty")
    return replace(scene, key=key, account_id=account_id, audience_id=audience_id, source_id=source.id)
