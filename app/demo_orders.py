"""Demo orders: the made-up customers of a demo store, and what they bought.

Each call gives the same customers and orders, and only the dates follow the clock. The figures are skewed like those of
a real shop: most customers buy once or twice, a few buy some dozens of times, and guests never buy often.
"""

import random
import unicodedata
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from app.vocabulary import ChosenMarketing, OrderStatus
from app.wire.instants import rfc3339
from app.wire.money import decimal_string

DAYS = 800
DAYS_BETWEEN_ORDERS = 11
"""Nobody buys more often than this on average."""

DIGITS = 2
FIRST_CUSTOMER = 1001
MOST_ITEMS = 8


class DemoStore(NamedTuple):
    """A made-up store; `settings` are the fields of POST /sources, names are separated by spaces."""

    settings: dict[str, object]
    first_order: int
    orders: int
    prices_minor: tuple[int, ...]
    shipping_minor: int
    free_shipping_from_minor: int
    mail_domain: str
    given_names: str
    family_names: str
    languages: tuple[str, ...]
    """The languages of its customers, the most frequent first."""


class Habit(NamedTuple):
    """How some of the customers buy; a customer has `fewest` orders and, on average, `more` besides."""

    share: float
    fewest: int
    more: float
    most: int
    guests: float = 0.0


HABITS = (
    Habit(share=0.54, fewest=1, more=0.5, most=3, guests=0.32),
    Habit(share=0.34, fewest=1, more=2.6, most=14),
    Habit(share=0.10, fewest=3, more=6.0, most=30),
    Habit(share=0.02, fewest=12, more=10.0, most=60),
)


class DemoCustomer(NamedTuple):
    """A made-up customer; a guest has no `external_id`, and `first_age` is the age of the first order in days."""

    external_id: str | None
    first_name: str
    last_name: str
    email: str
    language: str | None
    marketing: str | None
    orders: int
    first_age: float
    is_guest: bool


class Purchase(NamedTuple):
    """An order of a customer, `age` days ago."""

    age: float
    customer: DemoCustomer


def demo_customers(store: DemoStore) -> list[DemoCustomer]:
    """The customers of a demo store, who together have all of its orders; no two have the same name."""
    dice = _dice(store, "customers")
    names = [(given, family) for given in store.given_names.split() for family in store.family_names.split()]
    dice.shuffle(names)
    customers: list[DemoCustomer] = []
    left = store.orders
    while left:
        habit = dice.choices(HABITS, [each.share for each in HABITS])[0]
        orders = min(left, habit.most, habit.fewest + int(dice.expovariate(1 / habit.more)))
        customers.append(_one_customer(store, dice, names[len(customers)], habit, orders))
        left -= orders
    customers.sort(key=lambda customer: -customer.first_age)
    return [
        customer if customer.is_guest else customer._replace(external_id=str(number))
        for number, customer in enumerate(customers, FIRST_CUSTOMER)
    ]


def customer_rows(store: DemoStore, now: datetime) -> Iterator[dict[str, object]]:
    """The customers with an account in the store, as rows of POST /sources/{id}/imports?of=customers."""
    for customer in demo_customers(store):
        if not customer.is_guest:
            joined_at = _days_before(now, customer.first_age)
            chosen = {} if customer.marketing is None else {"marketing": customer.marketing, "marketing_at": joined_at}
            yield {"customer_id": customer.external_id, **_contact(customer), **chosen, "updated_at": joined_at}


def order_rows(store: DemoStore, now: datetime) -> Iterator[dict[str, object]]:
    """The orders, oldest first, as rows of POST /sources/{id}/imports."""
    dice = _dice(store, "orders")
    purchases = [Purchase(age, customer) for customer in demo_customers(store) for age in _ages(dice, customer)]
    purchases.sort(key=lambda purchase: -purchase.age)
    for number, purchase in enumerate(purchases, store.first_order):
        yield _order_row(store, dice, number, purchase, now)


def _one_customer(
    store: DemoStore, dice: random.Random, name: tuple[str, str], habit: Habit, orders: int
) -> DemoCustomer:
    is_guest = dice.random() < habit.guests
    chosen = dice.random()
    marketing = ChosenMarketing.SUBSCRIBED if chosen < 0.6 else ChosenMarketing.UNSUBSCRIBED if chosen < 0.66 else None
    language = dice.choices((*store.languages, None), (86, 7, 3, 4))[0]
    earliest = min(DAYS, (orders - 1) * DAYS_BETWEEN_ORDERS)
    first_age = earliest + (DAYS - earliest) * (1 - dice.random()) ** 1.2
    email = f"{_ascii(name[0])}.{_ascii(name[1])}@{store.mail_domain}"
    return DemoCustomer(None, *name, email, language, marketing, orders, first_age, is_guest)


def _ages(dice: random.Random, customer: DemoCustomer) -> Iterator[float]:
    """How many days ago a customer bought: first at `first_age`, then until today or until they had enough."""
    yield customer.first_age
    keeps_buying = customer.orders > 12 or dice.random() < 0.6
    until = 0.0 if keeps_buying else customer.first_age * dice.random() * 0.7
    for _ in range(customer.orders - 1):
        yield until + (customer.first_age - until) * (1 - dice.random())


def _order_row(
    store: DemoStore, dice: random.Random, number: int, purchase: Purchase, now: datetime
) -> dict[str, object]:
    basket = dice.choices(store.prices_minor, k=min(MOST_ITEMS, 1 + int(dice.expovariate(0.8))))
    goods = sum(basket)
    total = goods if goods >= store.free_shipping_from_minor else goods + store.shipping_minor
    fate, status, refunded, days_until_change = dice.random(), OrderStatus.PAID, 0, 0
    if fate < 0.01:
        status, refunded, days_until_change = OrderStatus.REFUNDED, total, 9
    elif fate < 0.025:
        status, days_until_change = OrderStatus.CANCELLED, 1
    elif fate < 0.045 and basket[0] < total:
        status, refunded, days_until_change = OrderStatus.PARTIALLY_REFUNDED, basket[0], 12
    elif fate > 0.9 and purchase.age < 0.5:
        status = OrderStatus.PENDING
    return {
        "order_id": str(number),
        "customer_id": purchase.customer.external_id,
        **_contact(purchase.customer),
        "ordered_at": _days_before(now, purchase.age),
        "updated_at": _days_before(now, max(0.0, purchase.age - days_until_change)),
        "total": decimal_string(total, DIGITS),
        "refunded": decimal_string(refunded, DIGITS),
        "items": len(basket),
        "status": status,
        "test": 0.5 < fate < 0.5005,
    }


def _contact(customer: DemoCustomer) -> dict[str, object]:
    contact: dict[str, object] = {"email": customer.email}
    contact |= {"first_name": customer.first_name, "last_name": customer.last_name}
    return contact if customer.language is None else contact | {"language": customer.language}


def _days_before(now: datetime, days: float) -> str:
    """A moment to the second, as shops tell them."""
    return rfc3339((now - timedelta(days=days)).replace(microsecond=0))


def _ascii(name: str) -> str:
    """A name as it stands in an e-mail address."""
    spelt = name.lower().translate({ord("ä"): "ae", ord("ö"): "oe", ord("ü"): "ue", ord("ß"): "ss"})
    return "".join(letter for letter in unicodedata.normalize("NFKD", spelt) if letter.isascii() and letter.isalnum())


def _dice(store: DemoStore, purpose: str) -> random.Random:
    return random.Random(f"{store.mail_domain} {purpose}")  # noqa: S311 - a demo must repeat itself, nothing is secret
