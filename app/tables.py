"""Tables: everything that is stored.

Amounts are minor units. A row belongs to an account, see tenancy.py. Statements name tables and
columns in SQL; these definitions are what the migrations must make, and tests compare the two.
"""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, dialect

from app.tenancy import account_reference, enum_type, metadata, one_of, row_reference, serial_id, tenant_table
from app.vocabulary import AttemptOutcome, BoardKind, Marketing, MessageKind, MessageStatus, Metric, OrderStatus, Plan

DIALECT = dialect()  # type: ignore[no-untyped-call]
INSTANT = sa.DateTime(timezone=True)

AVERAGE = "spend / purchases + ((spend % purchases) * 2 >= purchases)::int"
"""The average order of a row of figures, rounded half up: the one definition in SQL."""

SPEND_OF_PURCHASE = (
    "CASE WHEN status >= 'partially_paid'::order_status AND status <= 'partially_refunded'::order_status"
    " AND customer_id IS NOT NULL AND foreign_currency IS NULL AND NOT test AND deleted_at IS NULL"
    " AND NOT (total > 0 AND refunded >= total) THEN greatest(total - refunded, 0) END"
)
"""What an order adds to its customer's spend; NULL when it is not a purchase: the one definition of a purchase."""

FOLDED_NAME: sa.Label[str] = sa.literal_column('"left"(lower(NORMALIZE(ltrim(name))), 100)').label("folded_name")
"""A name as it is searched: without leading space, composed, in lower case, its first 100 characters."""

order_status = enum_type("order_status", OrderStatus)
board_kind = enum_type("board_kind", BoardKind)
metric = enum_type("metric", Metric)

# ---------------------------------------------------------------- accounts

accounts = sa.Table(
    "accounts",
    metadata,
    serial_id("accounts"),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("plan", sa.Text, one_of("plan", Plan), nullable=False),
    # Signs cursors and unsubscribe links. Replicas share it, and no other account's cursor fits.
    sa.Column("cursor_secret", sa.LargeBinary, nullable=False),
    sa.Column("created_at", INSTANT, nullable=False),
    sa.PrimaryKeyConstraint("id"),
)

api_keys = tenant_table(
    "api_keys",
    serial_id("api_keys"),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("scopes", ARRAY(sa.Text), nullable=False),
    sa.Column("hash", sa.LargeBinary, nullable=False),
    sa.Column("created_at", INSTANT, nullable=False),
    sa.Column("revoked_at", INSTANT),
    account_reference(),
    sa.UniqueConstraint("account_id", "hash"),
    key=("id",),
)

# Who an account's mails are from; an account without a row sends none.
senders = tenant_table(
    "senders",
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("email", sa.Text, nullable=False),
    sa.Column("postal_address", sa.Text, nullable=False),
    sa.Column("reply_to", sa.Text),
    # Why sending is paused.
    sa.Column("paused_because", sa.Text),
    # The sending rate: what was sent so far has used up the time until then.
    sa.Column("rate_used_until", INSTANT, nullable=False),
    # After a refused login the messages wait until then.
    sa.Column("paused_until", INSTANT),
    account_reference(),
    key=(),
)

# The answer to a request with an Idempotency-Key, stored in the transaction of its effect.
idempotency_keys = tenant_table(
    "idempotency_keys",
    sa.Column("operation", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("fingerprint", sa.LargeBinary, nullable=False),
    sa.Column("status", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("location", sa.Text),
    sa.Column("answer", sa.Text),
    sa.Column("created_at", INSTANT, nullable=False),
    account_reference(),
    sa.Index(None, "created_at"),
    key=("operation", "key"),
)

# ---------------------------------------------------------------- sources

audiences = tenant_table(
    "audiences",
    serial_id("audiences"),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("created_at", INSTANT, nullable=False),
    account_reference(),
    key=("id",),
)

sources = tenant_table(
    "sources",
    serial_id("sources"),
    sa.Column("audience_id", sa.BigInteger, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("platform", sa.Text, nullable=False),
    sa.Column("currency", sa.Text, nullable=False),
    sa.Column("time_zone", sa.Text, nullable=False),
    sa.Column("week_start", sa.Text, nullable=False),
    # The address of the store on the web, which messages may show.
    sa.Column("url", sa.Text),
    # Counted with every write, under the lock of this row; `verify` counts them again.
    sa.Column("orders", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("unattributed", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("foreign_currency", sa.BigInteger, nullable=False, server_default="0"),
    # Raised with every change of an order, a contact or a setting: part of the ETags.
    sa.Column("version", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("contacts_version", sa.BigInteger, nullable=False, server_default="0"),
    # When a person was last erased: since then a version that changes nothing makes nobody known.
    sa.Column("erased_at", INSTANT),
    # When periods change next: the worker opens, moves and drops boards then.
    sa.Column("boards_due_at", INSTANT, nullable=False),
    sa.Column("created_at", INSTANT, nullable=False),
    row_reference("audience_id", "audiences"),
    sa.Index(None, "account_id", "audience_id"),
    sa.Index(None, "boards_due_at"),
    key=("id",),
)

# ---------------------------------------------------------------- customers

customers = tenant_table(
    "customers",
    serial_id("customers"),
    sa.Column("source_id", sa.BigInteger, nullable=False),
    # The store's own id; NULL for a guest, who is known by the address alone.
    sa.Column("external_id", sa.Text),
    sa.Column("email", sa.Text),
    sa.Column("name", sa.Text),
    # How new the contact data are: data of an older order never replace those of a newer one.
    sa.Column("email_at", INSTANT),
    sa.Column("name_at", INSTANT),
    sa.Column("marketing", sa.Text, one_of("marketing", Marketing), nullable=False, server_default="non_subscribed"),
    # The language of messages that name none; NULL is English.
    sa.Column("language", sa.Text),
    sa.Column("created_at", INSTANT, nullable=False),
    row_reference("source_id", "sources"),
    sa.UniqueConstraint("account_id", "source_id", "external_id"),
    sa.Index(None, "account_id", "source_id", "id"),
    sa.Index(
        "customers_email_idx",
        "account_id",
        "source_id",
        "email",
        "id",
        postgresql_ops={"email": "text_pattern_ops"},
    ),
    sa.Index(
        "customers_name_idx",
        "account_id",
        "source_id",
        FOLDED_NAME,
        "id",
        postgresql_ops={"folded_name": "text_pattern_ops"},
    ),
    key=("id",),
)

consent_changes = tenant_table(
    "consent_changes",
    serial_id("consent_changes"),
    sa.Column("customer_id", sa.BigInteger, nullable=False),
    sa.Column("marketing", sa.Text, nullable=False),
    # A key's public id, or `unsubscribe`, `bounce`, `complaint`.
    sa.Column("changed_by", sa.Text, nullable=False),
    sa.Column("changed_at", INSTANT, nullable=False),
    row_reference("customer_id", "customers"),
    sa.Index(None, "account_id", "customer_id"),
    key=("id",),
)

# The owner of each e-mail address: orders that name the address alone are this customer's. Once an address was seen
# with an external id it stays that customer's, in whatever order things arrive.
addresses = tenant_table(
    "addresses",
    sa.Column("source_id", sa.BigInteger, nullable=False),
    sa.Column("email", sa.Text, nullable=False),
    sa.Column("customer_id", sa.BigInteger, nullable=False),
    row_reference("source_id", "sources"),
    row_reference("customer_id", "customers"),
    sa.Index(None, "account_id", "customer_id"),
    key=("source_id", "email"),
)

# ---------------------------------------------------------------- orders

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
    # The version of the order is (updated_at, status, content_hash); greater is newer.
    sa.Column("updated_at", INSTANT, nullable=False),
    sa.Column("content_hash", sa.BigInteger, nullable=False),
    sa.Column("test", sa.Boolean, nullable=False),
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
    row_reference("source_id", "sources"),
    sa.Index(None, "account_id", "source_id"),
    key=("id",),
)

# ---------------------------------------------------------------- boards

boards = tenant_table(
    "boards",
    serial_id("boards"),
    sa.Column("source_id", sa.BigInteger, nullable=False),
    sa.Column("kind", board_kind, nullable=False),
    sa.Column("start", INSTANT, nullable=False),
    # The board counts purchases in [counted_from, counted_until). That is its period, except while the worker still
    # has to move the edge of the last 365 days.
    sa.Column("counted_from", INSTANT, nullable=False),
    sa.Column("counted_until", INSTANT, nullable=False),
    sa.Column("customers", sa.BigInteger, sa.CheckConstraint("customers >= 0", name="customers"), nullable=False),
    sa.Column("purchases", sa.BigInteger, nullable=False),
    sa.Column("spend", sa.Numeric, nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False),
    row_reference("source_id", "sources"),
    sa.UniqueConstraint("account_id", "source_id", "kind", "start"),
    key=("id",),
)

standings = tenant_table(
    "standings",
    sa.Column("board_id", sa.BigInteger, nullable=False),
    sa.Column("customer_id", sa.BigInteger, nullable=False),
    sa.Column("spend", sa.BigInteger, nullable=False),
    sa.Column("average", sa.BigInteger, sa.Computed(AVERAGE, persisted=True), nullable=False),
    sa.Column("last_order_at", INSTANT, nullable=False),
    sa.Column("purchases", sa.BigInteger, sa.CheckConstraint("purchases > 0", name="purchases"), nullable=False),
    # VIPs are counted by spend and purchases along this index alone.
    sa.Index(
        "standings_spend_idx",
        "account_id",
        "board_id",
        sa.text("spend DESC"),
        "customer_id",
        postgresql_include=["purchases"],
    ),
    sa.Index("standings_average_idx", "account_id", "board_id", sa.text("average DESC"), "customer_id"),
    sa.Index("standings_purchases_idx", "account_id", "board_id", sa.text("purchases DESC"), "customer_id"),
    key=("board_id", "customer_id"),
)

standing_buckets = tenant_table(
    "standing_buckets",
    sa.Column("board_id", sa.BigInteger, nullable=False),
    sa.Column("metric", metric, nullable=False),
    # Names the bucket; it ends before the least value of the next one.
    sa.Column("least_value", sa.BigInteger, nullable=False),
    sa.Column("customers", sa.BigInteger, sa.CheckConstraint("customers >= 0", name="customers"), nullable=False),
    key=("board_id", "metric", "least_value"),
)

# Only of boards of the last 365 days: where a bucket of purchases and a bucket of spend meet.
standing_cells = tenant_table(
    "standing_cells",
    sa.Column("board_id", sa.BigInteger, nullable=False),
    sa.Column("least_purchases", sa.BigInteger, nullable=False),
    sa.Column("least_spend", sa.BigInteger, nullable=False),
    sa.Column("customers", sa.BigInteger, sa.CheckConstraint("customers >= 0", name="customers"), nullable=False),
    key=("board_id", "least_purchases", "least_spend"),
)

# Customers whose orders a running import has changed and whose standings are updated at its end. While a source has
# any, none of its boards answers; after a crash the worker updates them.
outdated_standings = tenant_table(
    "outdated_standings",
    sa.Column("source_id", sa.BigInteger, nullable=False),
    sa.Column("customer_id", sa.BigInteger, nullable=False),
    key=("source_id", "customer_id"),
)

# ---------------------------------------------------------------- messages

messages = tenant_table(
    "messages",
    serial_id("messages"),
    # NULL once the recipient was erased, and so is what was written to them.
    sa.Column("customer_id", sa.BigInteger),
    sa.Column("kind", sa.Text, one_of("kind", MessageKind), nullable=False),
    sa.Column("language", sa.Text, nullable=False),
    sa.Column("template", sa.Text),
    sa.Column("subject", sa.Text),
    sa.Column("text", sa.Text),
    sa.Column("html", sa.Text),
    # The provider's own id of the mail.
    sa.Column("provider_id", sa.Text),
    # The header of that name: every copy has the same one, whatever happens in between.
    sa.Column("message_id", sa.Text, nullable=False),
    sa.Column("status", sa.Text, one_of("status", MessageStatus), nullable=False, server_default="queued"),
    # Why it was cancelled, has failed or is held.
    sa.Column("reason", sa.Text),
    sa.Column("attempts", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("crashes", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("maybe_duplicate", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("created_at", INSTANT, nullable=False),
    # When a worker may claim it: the next attempt, or the end of the lease of the worker that has it.
    sa.Column("due_at", INSTANT),
    sa.Column("first_tried_at", INSTANT),
    sa.Column("sent_at", INSTANT),
    sa.Column("settled_at", INSTANT),
    # Fences off a worker that has lost its lease: another one has drawn another number.
    sa.Column("lease", sa.BigInteger),
    account_reference(),
    row_reference("customer_id", "customers"),
    sa.Index("messages_due_idx", "account_id", "due_at", postgresql_where=sa.text("due_at IS NOT NULL")),
    sa.Index("messages_held_idx", "account_id", "id", postgresql_where=sa.text("status = 'held'")),
    sa.Index(None, "account_id", "created_at", "id"),
    sa.Index(None, "account_id", "customer_id", "created_at", "id"),
    sa.Index(None, "account_id", "status", "created_at", "id"),
    key=("id",),
)

message_attempts = tenant_table(
    "message_attempts",
    serial_id("message_attempts"),
    sa.Column("message_id", sa.BigInteger, nullable=False),
    sa.Column("started_at", INSTANT, nullable=False),
    sa.Column("ended_at", INSTANT, nullable=False),
    sa.Column("outcome", sa.Text, one_of("outcome", AttemptOutcome), nullable=False),
    sa.Column("code", sa.Text, nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
    row_reference("message_id", "messages"),
    sa.Index(None, "account_id", "message_id", "id"),
    key=("id",),
)


def array_type(column: sa.Column[Any]) -> str:
    """The PostgreSQL array of a column's type; of an enum the array of its text."""
    return "text[]" if isinstance(column.type, sa.Enum) else f"{column.type.compile(DIALECT)}[]"
