"""Connection tables: what ties a source to its shop, and what the shop has sent."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from app.tenancy import INSTANT, one_of, row_reference, serial_id, tenant_table
from app.vocabulary import ConnectionState, DeliveryStatus

store_connections = tenant_table(
    "store_connections",
    sa.Column("source_id", sa.BigInteger, nullable=False),
    # Webhook secrets, credentials and the token of the shop's API, encrypted.
    sa.Column("secrets", sa.LargeBinary, nullable=False),
    sa.Column("state", sa.Text, one_of("state", ConnectionState), nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("since", INSTANT, nullable=False),
    sa.Column("api_version", sa.Text),
    sa.Column("customer_data", sa.Text),
    # Where reading back begins in the shop's history, if the shop does not show all of it.
    sa.Column("history_from", INSTANT),
    # Everything that the shop has changed before this moment has been read.
    sa.Column("pulled_until", INSTANT),
    # Where the pull under way resumes, in the connector's words, and when it began.
    sa.Column("pull_cursor", sa.Text),
    sa.Column("pull_began_at", INSTANT),
    sa.Column("pulled_orders", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("expected_orders", sa.BigInteger),
    # When the worker asks the shop next; NULL: never.
    sa.Column("pull_due_at", INSTANT),
    # While a worker asks: when another one may take over.
    sa.Column("pull_lease_until", INSTANT),
    sa.Column("failures", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("reconciled_at", INSTANT),
    row_reference("source_id", "sources"),
    sa.Index(None, "source_id"),
    sa.Index(None, "pull_due_at"),
    key=("source_id",),
)

inbox = tenant_table(
    "inbox",
    serial_id("inbox"),
    sa.Column("source_id", sa.BigInteger, nullable=False),
    # A hash of the delivery's id, topic and body: the same delivery is stored once.
    sa.Column("identity", sa.LargeBinary, nullable=False),
    sa.Column("topic", sa.Text, nullable=False),
    # Headers and body, encrypted; NULL once a person in it was erased.
    sa.Column("content", sa.LargeBinary),
    sa.Column("status", sa.Text, one_of("status", DeliveryStatus), nullable=False),
    # Why it is quarantined: a code and a sentence that repeats nothing of the content.
    sa.Column("reason", sa.Text),
    sa.Column("detail", sa.Text),
    # Hashes of the ids and addresses in it, by which an erasure finds it.
    sa.Column("mentions", ARRAY(sa.BigInteger)),
    sa.Column("received_at", INSTANT, nullable=False),
    sa.Column("settled_at", INSTANT),
    row_reference("source_id", "sources"),
    sa.UniqueConstraint("account_id", "source_id", "identity"),
    sa.Index("inbox_waiting_idx", "account_id", "source_id", "id", postgresql_where=sa.text("status = 'waiting'")),
    sa.Index(
        "inbox_quarantined_idx", "account_id", "source_id", "id", postgresql_where=sa.text("status = 'quarantined'")
    ),
    sa.Index(None, "account_id", "source_id", "id"),
    sa.Index(None, "received_at"),
    key=("id",),
)

# Orders that the shop has to be asked for.
orders_to_read = tenant_table(
    "orders_to_read",
    sa.Column("source_id", sa.BigInteger, nullable=False),
    sa.Column("order_id", sa.Text, nullable=False),
    sa.Column("asked_at", INSTANT, nullable=False),
    row_reference("source_id", "sources"),
    key=("source_id", "order_id"),
)

# Refunds that were told by themselves: they count for every version of their order that does not name them.
store_refunds = tenant_table(
    "store_refunds",
    sa.Column("source_id", sa.BigInteger, nullable=False),
    sa.Column("order_id", sa.Text, nullable=False),
    sa.Column("refund_id", sa.Text, nullable=False),
    # As the shop writes it; the currency is that of the order.
    sa.Column("amount", sa.Text, nullable=False),
    row_reference("source_id", "sources"),
    key=("source_id", "order_id", "refund_id"),
)

# Requests of people to know what is stored about them, until the operator is told.
data_requests = tenant_table(
    "data_requests",
    serial_id("data_requests"),
    sa.Column("source_id", sa.BigInteger, nullable=False),
    # Whom the store has named; empty where nothing is stored about the person.
    sa.Column("customers", ARRAY(sa.BigInteger), nullable=False),
    sa.Column("asked_at", INSTANT, nullable=False),
    # When a worker tells the operator next.
    sa.Column("tell_at", INSTANT, nullable=False),
    sa.Column("tries", sa.BigInteger, nullable=False, server_default="0"),
    row_reference("source_id", "sources"),
    sa.Index(None, "account_id", "source_id"),
    sa.Index(None, "tell_at"),
    key=("id",),
)
