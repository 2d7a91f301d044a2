"""Least values: what buckets and cells are known by, in place of their numbers.

Why: a read that needs a rank had to be told where each of 2,649 buckets begins, which took longer than the rank.
Locks: buckets and cells against everything while their rows are copied to tables made anew.
Takes: some seconds for a million rows; a store of 100,000 customers has about 30,000.
Old app: fails on every rank and write, rather than count wrongly; stop it first. A role that only reads has to be
    granted both tables again, unless it was by default privileges or is in pg_read_all_data.
Undo: gives the buckets their numbers again.
"""

from alembic import op

revision = "2026_11_22_least_values"
down_revision = "2026_11_22_persons"
branch_labels = None
depends_on = None

TABLES = {
    "standing_buckets": (
        """
        CREATE TABLE standing_buckets (
            account_id BIGINT NOT NULL,
            board_id BIGINT NOT NULL,
            metric metric NOT NULL,
            {bucket} BIGINT NOT NULL,
            customers BIGINT NOT NULL CONSTRAINT standing_buckets_customers_check CHECK (customers >= 0),
            CONSTRAINT standing_buckets_pkey PRIMARY KEY (account_id, board_id, metric, {bucket})
        )
        """,
        "account_id, board_id, metric, {bucket}, customers",
        {"bucket": "least_value"},
    ),
    "standing_cells": (
        """
        CREATE TABLE standing_cells (
            account_id BIGINT NOT NULL,
            board_id BIGINT NOT NULL,
            {purchases_bucket} BIGINT NOT NULL,
            {spend_bucket} BIGINT NOT NULL,
            customers BIGINT NOT NULL CONSTRAINT standing_cells_customers_check CHECK (customers >= 0),
            CONSTRAINT standing_cells_pkey PRIMARY KEY (account_id, board_id, {purchases_bucket}, {spend_bucket})
        )
        """,
        "account_id, board_id, {purchases_bucket}, {spend_bucket}, customers",
        {"purchases_bucket": "least_purchases", "spend_bucket": "least_spend"},
    ),
}
"""What makes each table, its columns in the order of the key, and what its columns are called before and after."""


def edges() -> str:
    """The least values of the buckets as they are at this migration: 0, then single values, then steps of 1/64."""
    least, value = [0], 1
    while value < 2**63:
        least.append(value)
        value += max(1, value // 64)
    return f"'{{{','.join(map(str, least))}}}'::bigint[]"


def made_anew(table: str, before: dict[str, str], after: dict[str, str]) -> None:
    """Make a table anew, so that its constraints are called as on a new database; in order, so that a rank reads little.

    `before` tells how what each column holds now is worked out from the rows that were there.
    """
    created, columns, _ = TABLES[table]
    op.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
    op.execute(f"CREATE TEMPORARY TABLE {table}_before ON COMMIT DROP AS SELECT * FROM {table}")
    op.execute(f"-- squawk-ignore ban-drop-table\nDROP TABLE {table}")
    op.execute(created.format(**after))
    op.execute(f"""
        INSERT INTO {table} ({columns.format(**after)})
        SELECT {columns.format(**before)} FROM {table}_before ORDER BY 1, 2, 3, 4
    """)


def upgrade() -> None:
    """From numbers to least values."""
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.execute("SET LOCAL statement_timeout = '15min'")
    for table, (_, _, names) in TABLES.items():
        made_anew(table, {old: f"({edges()})[{old}]" for old in names}, names)


def downgrade() -> None:
    """From least values to numbers."""
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.execute("SET LOCAL statement_timeout = '15min'")
    for table, (_, _, names) in TABLES.items():
        numbers = {old: f"width_bucket({new}, {edges()})" for old, new in names.items()}
        made_anew(table, numbers, {old: old for old in names})
