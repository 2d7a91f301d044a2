"""Tables: everything that is stored, on a few screens.

Rows belong to an account, see columns.py. Amounts are minor units.
"""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, dialect

from app.columns import (
    belongs_to,
    counts,
    keyed_table,
    metadata,
    moment,
    moments,
    number,
    numbers,
    of_account,
    one_of,
    owned_table,
    row_id,
    words,
)

DIALECT = dialect()  # type: ignore[no-untyped-call]

ORDER_STATUSES = (
    *("pending", "authorized", "partially_paid", "paid"),
    *("partially_refunded", "refunded", "cancelled", "voided"),
)
"""In the order of their progress: of two versions of the same age the further one is newer."""

order_status = sa.Enum(*ORDER_STATUSES, name="order_status", metadata=metadata)

AVERAGE = "spend / purchases + ((spend % purchases) * 2 >= purchases)::int"
"""The average order of a row of figures, rounded half up: the one definition in SQL."""

KINDS = ("week", "month", "quarter", "year", "last_365_days", "all_time")
METRICS = ("number_of_purchases", "average_order_amount", "total_spend")

accounts = sa.Table(
    "accounts",
    metadata,
    row_id("accounts"),
    *words("name"),
    one_of("plan", "free", "paid"),
    # Signs the cursors of this account: replicas share it and no other account's cursor fits.
    sa.Column("cursor_secret", sa.LargeBinary, nullable=False),
    moment("created_at"),
    sa.PrimaryKeyConstraint("id"),
)

api_keys = owned_table(
    "api_keys",
    *words("name"),
    sa.Column("scopes", ARRAY(sa.Text), nullable=False),
    sa.Column("hash", sa.LargeBinary, nullable=False),
    moment("created_at"),
    moment("revoked_at", nullable=True),
    sa.UniqueConstraint("account_id", "hash"),
    of_account(),
)

senders = keyed_table(
    "senders",
    # Who an account's e-mails are from; without one it sends none.
    *words("name", "email", "postal_address"),
    *words("reply_to", "paused_because", nullable=True),
    # The sending rate: what was sent so far has used up the time until then.
    moment("rate_used_until"),
    # A refused login keeps the queue until then.
    moment("paused_until", nullable=True),
    of_account(),
)

idempotency_keys = keyed_table(
    "idempotency_keys",
    # What was answered to a request with an Idempotency-Key, kept in the transaction of its effect.
    *words("operation", "key"),
    sa.Column("fingerprint", sa.LargeBinary, nullable=False),
    number("status", "0"),
    *words("location", "answer", nullable=True),
    moment("created_at"),
    of_account(),
    sa.Index(None, "created_at"),
    by=("operation", "key"),
)

audiences = owned_table("audiences", *words("name"), moment("created_at"), of_account())

sources = owned_table(
    "sources",
    number("audience_id"),
    *words("name", "platform", "currency", "time_zone", "week_start"),
    # Counted with every write, under the lock of this row; `verify` counts them again.
    *(number(name, "0") for name in ("orders", "unattributed", "foreign_currency")),
    # One more with every change of an order, a contact or a setting: part of the ETags.
    number("version", "0"),
    number("contacts_version", "0"),
    # When a person was last erased: since then nobody is made known by a version that changes nothing.
    moment("erased_at", nullable=True),
    # When periods change next: the worker opens, moves and drops boards then.
    *moments("boards_due_at", "created_at"),
    belongs_to("audiences", "audience_id"),
    sa.Index(None, "account_id", "audience_id"),
    sa.Index(None, "boards_due_at"),
)

FOLDED_NAME: sa.Label[str] = sa.literal_column('"left"(lower(NORMALIZE(ltrim(name))), 100)').label("folded_name")
PREFIXED = dict.fromkeys(("email", "folded_name"), "text_pattern_ops")

customers = owned_table(
    "customers",
    number("source_id"),
    *words("external_id", "email", "name", nullable=True),
    # How new the contact data are: that of an older order never replaces that of a newer one.
    *moments("email_at", "name_at", nullable=True),
    one_of(*("marketing", "subscribed", "unsubscribed", "non_subscribed", "cleaned"), default="non_subscribed"),
    # What they are written to in where a message names no language; null is English.
    *words("language", nullable=True),
    moment("created_at"),
    belongs_to("sources", "source_id"),
    sa.UniqueConstraint("account_id", "source_id", "external_id"),
    sa.Index(None, "account_id", "source_id", "id"),
    sa.Index("customers_email_idx", "account_id", "source_id", "email", "id", postgresql_ops=PREFIXED),
    sa.Index("customers_name_idx", "account_id", "source_id", FOLDED_NAME, "id", postgresql_ops=PREFIXED),
)

consent_changes = owned_table(
    "consent_changes",
    number("customer_id"),
    *words("marketing", "changed_by"),
    moment("changed_at"),
    belongs_to("customers", "customer_id"),
    sa.Index(None, "account_id", "customer_id"),
)

addresses = keyed_table(
    "addresses",
    # Whose purchases those of an e-mail address alone are. Once an address was seen with a
    # customer id it stays that customer's, whatever arrives in whatever order.
    *numbers("source_id"),
    *words("email"),
    number("customer_id"),
    belongs_to("sources", "source_id"),
    belongs_to("customers", "customer_id"),
    sa.Index(None, "account_id", "customer_id"),
    by=("source_id", "email"),
)

orders = keyed_table(
    "orders",
    *numbers("source_id"),
    *words("order_id"),
    sa.Column("customer_id", sa.BigInteger),
    # Only of orders that name no customer id: such an order follows the owner of its address.
    sa.Column("guest_email", sa.Text),
    moment("ordered_at"),
    counts("total", ">= 0"),
    counts("refunded", ">= 0"),
    # Null is the source's own currency: only those purchases can be added up.
    sa.Column("foreign_currency", sa.Text),
    sa.Column("items", sa.BigInteger),
    sa.Column("status", order_status, nullable=False),
    # The version of the order: (updated_at, status, content_hash), greater is newer.
    moment("updated_at"),
    number("content_hash"),
    sa.Column("test", sa.Boolean, nullable=False),
    moment("deleted_at", nullable=True),
    # Its person was erased: it belongs to no one and no later version gives it an owner again.
    moment("erased_at", nullable=True),
    # What the order adds to its customer's spend; null when it is not a purchase.
    sa.Column(
        "spend",
        sa.BigInteger,
        sa.Computed(
            "CASE WHEN status >= 'partially_paid'::order_status AND status <= 'partially_refunded'::order_status"
            " AND customer_id IS NOT NULL AND foreign_currency IS NULL AND NOT test AND deleted_at IS NULL"
            " AND NOT (total > 0 AND refunded >= total) THEN greatest(total - refunded, 0) END",
            persisted=True,
        ),
    ),
    belongs_to("sources", "source_id"),
    belongs_to("customers", "customer_id"),
    sa.Index("orders_by_customer_idx", "account_id", "customer_id", "ordered_at"),
    sa.Index(
        "orders_purchases_idx",
        *("account_id", "source_id", "ordered_at"),
        postgresql_include=["customer_id", "spend"],
        postgresql_where=sa.text("spend IS NOT NULL"),
    ),
    by=("source_id", "order_id"),
)

boards = owned_table(
    "boards",
    number("source_id"),
    sa.Column("kind", sa.Enum(*KINDS, name="board_kind", metadata=metadata), nullable=False),
    moment("start"),
    # What it counts: purchases in [counted_from, counted_until). Equal to the period of that
    # name except while the worker still has to move the edge of the last 365 days.
    *moments("counted_from", "counted_until"),
    counts("customers", ">= 0"),
    number("purchases"),
    sa.Column("spend", sa.Numeric, nullable=False),
    number("version"),
    belongs_to("sources", "source_id"),
    sa.UniqueConstraint("account_id", "source_id", "kind", "start"),
)

standings = keyed_table(
    "standings",
    *numbers("board_id", "customer_id", "spend"),
    sa.Column(
        "average",
        sa.BigInteger,
        sa.Computed(AVERAGE, persisted=True),
        nullable=False,
    ),
    moment("last_order_at"),
    counts("purchases", "> 0"),
    # VIPs are counted by both values, along the index of spend alone.
    *(
        sa.Index(
            f"standings_{measure}_idx",
            *("account_id", "board_id", sa.text(f"{measure} DESC"), "customer_id"),
            postgresql_include=included,
        )
        for measure, included in (("spend", ["purchases"]), ("average", []), ("purchases", []))
    ),
    by=("board_id", "customer_id"),
)

standing_buckets = keyed_table(
    "standing_buckets",
    *numbers("board_id"),
    sa.Column("metric", sa.Enum(*METRICS, name="metric", metadata=metadata), nullable=False),
    # What a bucket is known by; it ends before the least value of the next one.
    number("least_value"),
    counts("customers", ">= 0"),
    by=("board_id", "metric", "least_value"),
)

standing_cells = keyed_table(
    "standing_cells",
    # Only of boards of the last 365 days: where buckets of both, purchases and spend, meet.
    *numbers("board_id", "least_purchases", "least_spend"),
    counts("customers", ">= 0"),
    by=("board_id", "least_purchases", "least_spend"),
)

outdated_standings = keyed_table(
    "outdated_standings",
    # Customers whose orders a running import changed and whose standings follow at its end.
    # While a source has any, its boards are not asked; a crash leaves them to the worker.
    *numbers("source_id", "customer_id"),
    by=("source_id", "customer_id"),
)

imports = owned_table(
    "imports",
    *numbers("source_id", "received", "created", "updated", "unchanged", "rejected"),
    *moments("started_at", "progressed_at"),
    moment("finished_at", nullable=True),
    belongs_to("sources", "source_id"),
    sa.Index(None, "account_id", "source_id"),
)

MESSAGE_STATUSES = ("queued", "sending", "sent", "delivered", "bounced", "complained", "failed", "cancelled", "held")

messages = owned_table(
    "messages",
    # Null once its person was erased, and so is what was written to them.
    sa.Column("customer_id", sa.BigInteger),
    one_of("kind", "marketing", "transactional"),
    *words("language"),
    *words("template", "subject", "text", "html", "provider_id", nullable=True),
    # The header of that name: every copy has the same one, whatever happens in between.
    *words("message_id"),
    one_of("status", *MESSAGE_STATUSES, default="queued"),
    # Why it was cancelled, failed or is held.
    *words("reason", nullable=True),
    *(number(name, "0") for name in ("attempts", "crashes")),
    sa.Column("maybe_duplicate", sa.Boolean, nullable=False, server_default=sa.false()),
    moment("created_at"),
    # When a worker may take it: the next attempt, or the end of the lease of the worker that has it.
    *moments("due_at", "first_tried_at", "sent_at", "settled_at", nullable=True),
    # Fences a worker that has lost its lease: another one has drawn another number.
    sa.Column("lease", sa.BigInteger),
    of_account(),
    belongs_to("customers", "customer_id"),
    sa.Index("messages_due_idx", "account_id", "due_at", postgresql_where=sa.text("due_at IS NOT NULL")),
    sa.Index("messages_held_idx", "account_id", "id", postgresql_where=sa.text("status = 'held'")),
    *(sa.Index(None, "account_id", *by, "created_at", "id") for by in ((), ("customer_id",), ("status",))),
)

message_attempts = owned_table(
    "message_attempts",
    number("message_id"),
    *moments("started_at", "ended_at"),
    one_of("outcome", "accepted", "refused", "deferred", "misconfigured"),
    *words("code", "detail"),
    belongs_to("messages", "message_id"),
    sa.Index(None, "account_id", "message_id", "id"),
)


def array_type(column: sa.Column[Any]) -> str:
    """The PostgreSQL array of a column's type; of an enum the array of its text."""
    return "text[]" if isinstance(column.type, sa.Enum) else f"{column.type.compile(DIALECT)}[]"
