"""Erasures: when a person of a source was last erased.

Why: versions of orders that change nothing must not bring an erased person back.
Locks: a new nullable column takes ACCESS EXCLUSIVE on sources for an instant.
Takes: milliseconds.
Old app: works on; whom it erases may come back as a customer without orders.
Undo: drops the column.
"""

from alembic import op

revision = "2026_11_22_erasures"
down_revision = "2026_11_22_least_values"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.execute("SET LOCAL statement_timeout = '10s'")
    op.execute("ALTER TABLE sources ADD COLUMN erased_at TIMESTAMP WITH TIME ZONE")


def downgrade() -> None:
    """Drop it."""
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.execute("SET LOCAL statement_timeout = '10s'")
    op.execute("ALTER TABLE sources DROP COLUMN erased_at")
