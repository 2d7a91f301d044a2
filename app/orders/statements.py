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
        ON CONFLICT (account_id, source_id, order_id) DO UPDATE SET {changes}, deleted_at = NULL"""


UPSERT_ORDERS = text(upsert_orders())
"""The caller has found out that the orders are new, or newer than what is stored or than their deletion."""

# ---------------------------------------------------------------- versions


class KnownOrder(NamedTuple):
    """What is stored of an order before a version of it is looked at; deleted orders are known too."""

    order_id: str
    ordered_at: datetime
    updated_at: datetime
    status: str
    content_hash: int
    total: int
    customer_id: int | None
    is_foreign: bool
    deleted_at: datetime | None
    is_erased: bool

    @property
    def is_live(self) -> bool:
        """Whether it is neither deleted nor its person erased."""
        return self.deleted_at is None and not self.is_erased


SELECT_KNOWN_ORDERS = text("""
    SELECT order_id, ordered_at, updated_at, status::text AS status, content_hash, total, customer_id,
           foreign_currency IS NOT NULL AS is_foreign, deleted_at,
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

ADD_REFUNDS = text("""
    UPDATE orders AS o
    SET refunded = o.refunded + n.amount
    FROM (SELECT r.order_id, sum(r.amount)::bigint AS amount
          FROM unnest(cast(:order_ids AS text[]), cast(:amounts AS bigint[])) AS r (order_id, amount)
          GROUP BY r.order_id) AS n
    WHERE o.account_id = :account_id AND o.source_id = :source_id AND o.order_id = n.order_id
    RETURNING o.customer_id
""")
"""Adds refunds to the orders that are stored; the caller knows that none of them was counted before."""

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
    SELECT s.account_id, s.id, 0, 0, 0, 0, 0, cast(:now AS timestamptz), cast(:now AS timestamptz)
    FROM sources AS s
    WHERE s.account_id = :account_id AND s.id = :source_id AND s.deleted_at IS NULL
    RETURNING id
""")

SET_IMPORT_PROGRESS = text("""
    UPDATE imports
    SET received = :received, created = :created, updated = :updated, unchanged = :unchanged,
        rejected = :rejected, refused_kept = :refused_kept, progressed_at = :now,
        finished_at = cast(:finished_at AS timestamptz), ended_because = cast(:ended_because AS text)
    WHERE account_id = :account_id AND id = :import_id
    RETURNING id
""")
"""No row once the import is gone with its source."""

INSERT_REFUSED_ROWS = text("""
    INSERT INTO refused_rows (account_id, import_id, number, line, last_line, order_id, code, detail)
    SELECT cast(:account_id AS bigint), cast(:import_id AS bigint), n.number, n.line, n.last_line,
           n.order_id, n.code, n.detail
    FROM unnest(cast(:numbers AS bigint[]), cast(:lines AS bigint[]), cast(:last_lines AS bigint[]),
                cast(:order_ids AS text[]), cast(:codes AS text[]), cast(:details AS text[]))
         AS n (number, line, last_line, order_id, code, detail)
""")

# ---------------------------------------------------------------- refused rows are forgotten


class ImportToForget(NamedTuple):
    """An import whose refused rows are old."""

    account_id: int
    import_id: int
    refused_kept: int


SELECT_IMPORTS_TO_FORGET = text("""
    SELECT account_id, id AS import_id, refused_kept FROM imports
    WHERE refused_kept > 0 AND started_at < :expired
    ORDER BY started_at LIMIT 1000
""")
"""The imports of all accounts whose refused rows are old."""

DELETE_REFUSED_ROWS = text("""
    DELETE FROM refused_rows
    WHERE account_id = :account_id AND import_id = :import_id AND number <= :last
""")

SET_REFUSED_FORGOTTEN = text("""
    UPDATE imports SET refused_kept = 0 WHERE account_id = :account_id AND id = :import_id
""")
