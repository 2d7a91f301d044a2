"""Discount codes: what a buyer has entered is kept with the order.

Why: stores tell with an order which codes were used, and nothing kept them.
Locks: orders for milliseconds.
Takes: milliseconds; the column is empty.
Old app: works on; orders that it takes in have no codes.
Undo: drops the column and what it holds.
"""

from alembic import op

revision = "2026_11_28_0401_discount_codes"
down_revision = "2026_11_28_0400_data_requests"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.execute("SET LOCAL statement_timeout = '10s'")
    op.execute("ALTER TABLE orders ADD COLUMN discount_codes TEXT")


def downgrade() -> None:
    """Drop it."""
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.execute("SET LOCAL statement_timeout = '10s'")
    op.execute("ALTER TABLE orders DROP COLUMN discount_codes")
