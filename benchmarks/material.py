"""Material: orders of one made-up shop, the same at every run, written row by row.

Skewed like a real shop: a tenth of the customers places two fifths of the orders and few orders are large.
Some are of guests, known by their address alone; some are cancelled, refunded in whole or in part.
The same rows go into two files: a CSV for the service and what COPY takes for the orders table.
"""

import math
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

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
