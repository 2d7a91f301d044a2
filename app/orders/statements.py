"""Statements: orders and imports; a write comes after a read under the lock of the source."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import text

from app import tables
from app.orders.normal_form import Order

# ---------------------------------------------------------------- the columns of an order

RESOLVED_COLUMNS = ("account_id", "source_id", "customer_id", "guest_email", "updated_at")
"""What is decided while an order is stored."""

CONTENT_COLUMNS = tuple(name for name in Order._fields if name in tables.orders.c and name not in RESOLVED_COLUMNS)
"""What is stored as the order says it."""

ORDER_COLUMNS = (*RESOLVED_COLUMNS, *CONTENT_COLUMNS)
"""The columns of a new order, in the order in which they are copied and bound."""


def given_orders() -> str:
    """SQL: the parameters, an array per column, as rows."""
    columns = [name for name in ORDER_COLUMNS if name not in {"account_id", "source_id"}]
    arrays = ", ".join(f"cast(:{name} AS {tables.array_type(tables.orders.c[name])})" for name in columns)
    return f"unnest({arrays}) AS n ({', '.join(columns)})"


def upsert_orders() -> str:
    """SQL: orders stored as they are given."""
    given = [name for name in ORDER_COLUMNS if name not in {"account_id", "source_id"}]
    values = ", ".join(f"n.{name}{'::order_status' if name == 'status' else ''}" for name in given)
    changes = ", ".join(f"{name} = excluded.{name}" for name in given if name != "order_id")
    return f"""
        INSERT INTO orders AS o (account_id, source_id, {", ".join(given)})
        SELECT cast(:account_id AS bigint), cast(:source_id AS bigint), {values}
        FROM {given_orders()}
        ON CONFLICT (account_id, source_id, order_id) DO UPDATE SET {changes}"""


UPSERT_ORDERS = text(upsert_orders())
"""The caller has found out that the orders are new, or newer than what is stored."""

# ---------------------------------------------------------------- versions


class KnownOrder(NamedTuple):
    """What is stored of an order before a version of it is looked at; deleted orders are known too."""

    order_id: str
    updated_at: datetime
    status: str
    content_hash: int
    customer_id: int | None
    is_foreign: bool
    is_deleted: bool
    is_erased: bool


SELECT_KNOWN_ORDERS = text("""
    SELECT order_id, updated_at, status::text AS status, content_hash, customer_id,
           foreign_currency IS NOT NULL AS is_foreign, deleted_at IS NOT NULL AS is_deleted,
           erased_at IS NOT NULL AS is_erased
    FROM orders
    WHERE account_id = :account_id AND source_id = :source_id AND order_id = ANY(cast(:order_ids AS text[]))
""")

SET_UPDATED_AT = text("""
    UPDATE orders AS o
    SET updated_at = n.updated_at
    FROM unnest(cast(:order_ids AS text[]), cast(:updated_at AS timestamptz[])) AS n (order_id, updated_at)
    WHERE o.account_id = :account_id AND o.source_id = :source_id AND o.order_id = n.order_id
""")
"""For orders whose content has come again as a newer version."""

UPSERT_TOMBSTONE = text("""
    INSERT INTO orders AS o (account_id, source_id, order_id, ordered_at, total, refunded, status, updated_at,
                             content_hash, test, deleted_at)
    VALUES (:account_id, :source_id, :order_id, :now, 0, 0, 'voided', :now, 0, false, :now)
    ON CONFLICT (account_id, source_id, order_id) DO UPDATE SET deleted_at = excluded.deleted_at
""")
"""The order is deleted and stays so, even if it has never been seen."""

# ---------------------------------------------------------------- import progress

ANALYZE_ORDERS = text("ANALYZE orders, customers, addresses")
"""Refreshes the planner's statistics during a large import, long before autovacuum would."""

INSERT_IMPORT = text("""
    INSERT INTO imports (account_id, source_id, received, created, updated, unchanged, rejected,
                         started_at, progressed_at)
    VALUES (:account_id, :source_id, 0, 0, 0, 0, 0, :now, :now)
    RETURNING id
""")

SET_IMPORT_PROGRESS = text("""
    UPDATE imports
    SET received = :received, created = :created, updated = :updated, unchanged = :unchanged,
        rejected = :rejected, progressed_at = :now, finished_at = cast(:finished_at AS timestamptz)
    WHERE account_id = :account_id AND id = :import_id
""")
