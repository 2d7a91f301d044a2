"""Cells of the last 365 days: how many customers have many purchases and much spend.

Why: how many VIPs there are by either of two thresholds takes joint counts, which the buckets of each do not tell.
Locks: standings against writes while the cells of existing boards are counted; reads go on.
Takes: about a second per million customers who bought in the last 365 days.
Old app: works on, but does not keep the cells; stop its writes first, else `python -m app rebuild` afterwards.
Undo: drops the cells; nothing else is touched.
"""

from alembic import op

revision = "2026_11_22_standing_cells"
down_revision = "2026_11_22_first_schema"
branch_labels = None
depends_on = None

CREATED = """
    CREATE TABLE standing_cells (
        account_id BIGINT NOT NULL,
        board_id BIGINT NOT NULL,
        purchases_bucket BIGINT NOT NULL,
        spend_bucket BIGINT NOT NULL,
        customers BIGINT NOT NULL CONSTRAINT standing_cells_customers_check CHECK (customers >= 0),
        CONSTRAINT standing_cells_pkey PRIMARY KEY (account_id, board_id, purchases_bucket, spend_bucket)
    )
"""

# The edges of the buckets as they are at this migration: 0, then single values, then steps of 1/64.
EDGES = """
    WITH RECURSIVE steps (value) AS (
        SELECT 1::numeric
        UNION ALL
        SELECT value + greatest(1, div(value, 64)) FROM steps WHERE value + greatest(1, div(value, 64)) < 2::numeric ^ 63)
    SELECT array_prepend(0::bigint, array_agg(value::bigint ORDER BY value)) AS edges FROM steps
"""

FILLED = f"""
    INSERT INTO standing_cells (account_id, board_id, purchases_bucket, spend_bucket, customers)
    SELECT s.account_id, s.board_id, width_bucket(s.purchases, e.edges) AS purchases_bucket,
           width_bucket(s.spend, e.edges) AS spend_bucket, count(*)
    FROM boards AS b
    JOIN standings AS s ON s.account_id = b.account_id AND s.board_id = b.id
    CROSS JOIN ({EDGES}) AS e
    WHERE b.kind = 'last_365_days'
    GROUP BY s.account_id, s.board_id, purchases_bucket, spend_bucket
    ORDER BY 1, 2, 3, 4
"""


def upgrade() -> None:
    """Create the cells and count those of the boards that are there."""
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.execute("SET LOCAL statement_timeout = '15min'")
    op.execute(CREATED)
    op.execute("LOCK TABLE standings IN SHARE MODE")
    op.execute(FILLED)


def downgrade() -> None:
    """Drop the cells."""
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.execute("SET LOCAL statement_timeout = '10s'")
    op.execute("DROP TABLE standing_cells")
