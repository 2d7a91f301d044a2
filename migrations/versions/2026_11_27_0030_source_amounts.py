"""Source amounts: the totals of all its orders together.

Why: they are bounded, so that no sum over orders leaves 64 bits and no page fails for what is stored.
Locks: sources for as long as the orders are added up, against writes; reads go on.
Takes: about a second per million orders.
Old app: works on, but does not count; run `python -m app verify` once it is gone.
Undo: drops the column; nothing else is lost.
"""

from alembic import op

revision = "2026_11_27_0030_source_amounts"
down_revision = "2026_11_27_0010_rate_windows"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column and fill it."""
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.execute("SET LOCAL statement_timeout = '10s'")
    op.execute("ALTER TABLE sources ADD COLUMN amounts NUMERIC DEFAULT 0 NOT NULL")
    op.execute("SET LOCAL statement_timeout = '30min'")
    op.execute("""
        UPDATE sources AS s
        SET amounts = n.amounts
        FROM (SELECT account_id, source_id, sum(total) AS amounts
              FROM orders WHERE deleted_at IS NULL GROUP BY account_id, source_id) AS n
        WHERE s.account_id = n.account_id AND s.id = n.source_id
    """)


def downgrade() -> None:
    """Drop the column."""
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.execute("SET LOCAL statement_timeout = '10s'")
    op.execute("ALTER TABLE sources DROP COLUMN amounts")
