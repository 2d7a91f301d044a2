"""Board tables: what is counted from the orders."""

import sqlalchemy as sa

from app.tenancy import INSTANT, enum_type, row_reference, serial_id, tenant_table
from app.vocabulary import BoardKind, Metric

AVERAGE = "spend / purchases + ((spend % purchases) * 2 >= purchases)::int"
"""The average order of a row of figures, rounded half up: the one definition in SQL."""

board_kind = enum_type("board_kind", BoardKind)
metric = enum_type("metric", Metric)

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
