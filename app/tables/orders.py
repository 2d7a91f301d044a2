"""Order tables: the orders of a store, and the imports that brought them."""

import sqlalchemy as sa

from app.tenancy import INSTANT, enum_type, row_reference, serial_id, tenant_table
from app.vocabulary import OrderStatus

SPEND_OF_PURCHASE = (
    "CASE WHEN status >= 'partially_paid'::order_status AND status <= 'partially_refunded'::order_status"
    " AND customer_id IS NOT NULL AND foreign_currency IS NULL AND NOT test AND deleted_at IS NULL"
    " AND NOT (total > 0 AND refunded >= total) THEN greatest(total - refunded, 0) END"
)
"""What an order adds to its customer's spend; NULL when it is not a purchase: the one definition of a purchase."""

order_status = enum_type("order_status", OrderStatus)

orders = tenant_table(
    "orders",
    sa.Column("source_id", sa.BigInteger, nullable=False),
    sa.Column("order_id", sa.Text, nullable=False),
    sa.Column("customer_id", sa.BigInteger),
    # Only of orders that name no customer id: such an order follows the owner of its address.
    sa.Column("guest_email", sa.Text),
    sa.Column("ordered_at", INSTANT, nullable=False),
    sa.Column("total", sa.BigInteger, sa.CheckConstraint("total >= 0", name="total"), nullable=False),
    sa.Column("refunded", sa.BigInteger, sa.CheckConstraint("refunded >= 0", name="refunded"), nullable=False),
    # NULL is the source's own currency: only those purchases can be added up.
    sa.Column("foreign_currency", sa.Text),
    sa.Column("items", sa.BigInteger),
    sa.Column("status", order_status, nullable=False),
    # The version of the order is (updated_at, status); of equal ones the later arrival counts.
    sa.Column("updated_at", INSTANT, nullable=False),
    sa.Column("content_hash", sa.BigInteger, nullable=False),
    sa.Column("test", sa.Boolean, nullable=False),
    # What the buyer has entered, a code a line; NULL where the store tells none.
    sa.Column("discount_codes", sa.Text),
    sa.Column("deleted_at", INSTANT),
    # Its person was erased: it belongs to no one, and no later version gives it an owner again.
    sa.Column("erased_at", INSTANT),
    sa.Column("spend", sa.BigInteger, sa.Computed(SPEND_OF_PURCHASE, persisted=True)),
    row_reference("source_id", "sources"),
    row_reference("customer_id", "customers"),
    sa.Index("orders_by_customer_idx", "account_id", "customer_id", "ordered_at"),
    sa.Index(
        "orders_purchases_idx",
        "account_id",
        "source_id",
        "ordered_at",
        postgresql_include=["customer_id", "spend"],
        postgresql_where=sa.text("spend IS NOT NULL"),
    ),
    # Pages of orders, newest first, of one status or of all; see `select_orders`.
    sa.Index(
        "orders_listing_idx",
        "account_id",
        "source_id",
        "status",
        "ordered_at",
        "order_id",
        postgresql_where=sa.text("deleted_at IS NULL"),
    ),
    sa.Index(
        "orders_unattributed_idx",
        "account_id",
        "source_id",
        "status",
        "ordered_at",
        "order_id",
        postgresql_where=sa.text("deleted_at IS NULL AND customer_id IS NULL"),
    ),
    key=("source_id", "order_id"),
)

imports = tenant_table(
    "imports",
    serial_id("imports"),
    sa.Column("source_id", sa.BigInteger, nullable=False),
    sa.Column("received", sa.BigInteger, nullable=False),
    sa.Column("created", sa.BigInteger, nullable=False),
    sa.Column("updated", sa.BigInteger, nullable=False),
    sa.Column("unchanged", sa.BigInteger, nullable=False),
    sa.Column("rejected", sa.BigInteger, nullable=False),
    sa.Column("started_at", INSTANT, nullable=False),
    sa.Column("progressed_at", INSTANT, nullable=False),
    sa.Column("finished_at", INSTANT),
    # The code of the problem that ended it, or `interrupted`; NULL while it runs and when all rows were read.
    sa.Column("ended_because", sa.Text),
    # How many of its refused rows are stored; 0 again when they are forgotten.
    sa.Column("refused_kept", sa.BigInteger, nullable=False, server_default=sa.text("0")),
    row_reference("source_id", "sources"),
    sa.Index(None, "account_id", "source_id", "id"),
    sa.Index("imports_refused_idx", "started_at", postgresql_where=sa.text("refused_kept > 0")),
    key=("id",),
)

# The rows of imports that were not stored; they hold nothing of a person.
refused_rows = tenant_table(
    "refused_rows",
    sa.Column("import_id", sa.BigInteger, nullable=False),
    # Counts the refused rows of the import from 1.
    sa.Column("number", sa.BigInteger, nullable=False),
    sa.Column("line", sa.BigInteger, nullable=False),
    sa.Column("last_line", sa.BigInteger, nullable=False),
    sa.Column("order_id", sa.Text),
    sa.Column("code", sa.Text, nullable=False),
    # A sentence, packed as JSON: it is read in the language of the request.
    sa.Column("detail", sa.Text, nullable=False),
    row_reference("import_id", "imports"),
    key=("import_id", "number"),
)
