"""Ledger: statements about orders; a write comes after a read under the lock of the source."""

from sqlalchemy import text

KNOWN = text("""
    SELECT order_id, updated_at, status::text AS status, content_hash, customer_id,
           foreign_currency IS NOT NULL AS is_foreign, deleted_at IS NOT NULL AS is_deleted,
           erased_at IS NOT NULL AS is_erased
    FROM orders
    WHERE account_id = :account_id AND source_id = :source_id AND order_id = ANY(cast(:order_ids AS text[]))
""")
"""What is stored of these orders, deleted ones included."""

WRITTEN = text("""
    INSERT INTO orders AS o (account_id, source_id, order_id, customer_id, guest_email, ordered_at, total, refunded,
                             foreign_currency, items, status, updated_at, content_hash, test)
    SELECT cast(:account_id AS bigint), cast(:source_id AS bigint),
           n.order_id, n.customer_id, n.guest_email, n.ordered_at, n.total, n.refunded,
           n.foreign_currency, n.items, n.status::order_status, n.updated_at, n.content_hash, n.test
    FROM unnest(cast(:order_id AS text[]), cast(:customer_id AS bigint[]), cast(:guest_email AS text[]),
                cast(:ordered_at AS timestamptz[]), cast(:total AS bigint[]), cast(:refunded AS bigint[]),
                cast(:foreign_currency AS text[]), cast(:items AS bigint[]), cast(:status AS text[]),
                cast(:updated_at AS timestamptz[]), cast(:content_hash AS bigint[]), cast(:test AS boolean[]))
         AS n (order_id, customer_id, guest_email, ordered_at, total, refunded, foreign_currency, items, status,
               updated_at, content_hash, test)
    ON CONFLICT (account_id, source_id, order_id) DO UPDATE SET
        customer_id = excluded.customer_id, guest_email = excluded.guest_email, ordered_at = excluded.ordered_at,
        total = excluded.total, refunded = excluded.refunded, foreign_currency = excluded.foreign_currency,
        items = excluded.items, status = excluded.status, updated_at = excluded.updated_at,
        content_hash = excluded.content_hash, test = excluded.test
""")
"""Orders stored as they are given; the caller has found out that they are new or newer."""

WRITTEN_COLUMNS = (
    *("account_id", "source_id", "order_id", "customer_id", "guest_email", "ordered_at", "total", "refunded"),
    *("foreign_currency", "items", "status", "updated_at", "content_hash", "test"),
)
"""The columns of `orders` in the order that new ones are copied in."""

ADVANCED = text("""
    UPDATE orders AS o
    SET updated_at = n.updated_at
    FROM unnest(cast(:order_ids AS text[]), cast(:updated_at AS timestamptz[])) AS n (order_id, updated_at)
    WHERE o.account_id = :account_id AND o.source_id = :source_id AND o.order_id = n.order_id
""")
"""Orders whose content is known under a newer version."""

BURIED = text("""
    INSERT INTO orders AS o (account_id, source_id, order_id, ordered_at, total, refunded, status, updated_at,
                             content_hash, test, deleted_at)
    VALUES (:account_id, :source_id, :order_id, :now, 0, 0, 'voided', :now, 0, false, :now)
    ON CONFLICT (account_id, source_id, order_id) DO UPDATE SET deleted_at = excluded.deleted_at
""")
"""A tombstone: the order is deleted and stays so, even if it has never been seen."""

ANALYSED = text("ANALYZE orders, customers, addresses")
"""The planner told of what a large import has added, long before autovacuum would."""

IMPORT_BEGUN = text("""
    INSERT INTO imports (account_id, source_id, received, created, updated, unchanged, rejected,
                         started_at, progressed_at)
    VALUES (:account_id, :source_id, 0, 0, 0, 0, 0, :now, :now)
    RETURNING id
""")
"""A new import; returns its id."""

IMPORT_PROGRESSED = text("""
    UPDATE imports
    SET received = :received, created = :created, updated = :updated, unchanged = :unchanged,
        rejected = :rejected, progressed_at = :now, finished_at = cast(:finished_at AS timestamptz)
    WHERE account_id = :account_id AND id = :import_id
""")
"""How far an import is."""
