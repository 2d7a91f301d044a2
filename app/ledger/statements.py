"""Statements: the orders of a source are read back as they are stored."""

from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import NamedTuple

from sqlalchemy import TextClause, text


class OrdersOf(StrEnum):
    """Whose orders are listed: those of the source, of one customer, or those without a customer."""

    SOURCE = "source"
    CUSTOMER = "customer"
    NOBODY = "nobody"


class StoredOrderRow(NamedTuple):
    """An order as it is stored, with its customer; amounts are minor units of its currency."""

    order_id: str
    ordered_at: datetime
    total: int
    refunded: int
    foreign_currency: str | None
    items: int | None
    status: str
    spend: int | None
    updated_at: datetime
    test: bool
    discount_codes: str | None
    guest_email: str | None
    deleted_at: datetime | None
    erased_at: datetime | None
    customer_id: int | None
    external_id: str | None
    customer_name: str | None
    customer_email: str | None


OWN_COLUMNS = """o.order_id, o.ordered_at, o.total, o.refunded, o.foreign_currency, o.items, o.status::text AS status,
        o.spend, o.updated_at, o.test, o.discount_codes, o.guest_email, o.deleted_at, o.erased_at, o.customer_id"""
CUSTOMER_COLUMNS = "c.external_id, c.name AS customer_name, c.email AS customer_email"
NEWEST_FIRST = "ORDER BY o.ordered_at DESC, o.order_id DESC LIMIT cast(:limit AS bigint)"


def listed_orders(*, whose: str) -> str:
    """SQL: a page of the orders that are not deleted, newest first."""
    return f"""
        SELECT {OWN_COLUMNS} FROM orders AS o
        WHERE o.account_id = :account_id AND o.source_id = :source_id AND o.deleted_at IS NULL AND {whose}
          AND o.ordered_at >= :since AND (o.ordered_at, o.order_id) < (:before, cast(:before_id AS text))
        {NEWEST_FIRST}"""


@cache
def select_orders(of: OrdersOf) -> TextClause:
    """A page of orders with some statuses, newest first.

    The index begins with the status: a page of each status is read, and the newest of all are kept.
    """
    if of is OrdersOf.CUSTOMER:
        statuses = "o.status = ANY(cast(cast(:statuses AS text[]) AS order_status[]))"
        page = listed_orders(whose=f"o.customer_id = :customer AND {statuses}")
    else:
        nobody = " AND o.customer_id IS NULL" if of is OrdersOf.NOBODY else ""
        page = f"""
        SELECT o.* FROM unnest(cast(cast(:statuses AS text[]) AS order_status[])) AS n (status)
        CROSS JOIN LATERAL ({listed_orders(whose=f"o.status = n.status{nobody}")}) AS o
        {NEWEST_FIRST}"""
    return text(f"""
        SELECT o.*, {CUSTOMER_COLUMNS}
        FROM ({page}) AS o
        LEFT JOIN customers AS c ON c.account_id = :account_id AND c.id = o.customer_id
        ORDER BY o.ordered_at DESC, o.order_id DESC
    """)


SELECT_STORED_ORDER = text(f"""
    SELECT {OWN_COLUMNS}, {CUSTOMER_COLUMNS}
    FROM orders AS o
    LEFT JOIN customers AS c ON c.account_id = o.account_id AND c.id = o.customer_id
    WHERE o.account_id = :account_id AND o.source_id = :source_id AND o.order_id = :order_id
""")
"""One order, deleted or not."""
