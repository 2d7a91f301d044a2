"""Spend index: it knows the purchases of each standing too.

Why: VIPs are counted by spend and purchases; without it each customer near the threshold was looked up in the table.
Locks: none while the index is built; standings against everything for the instant in which it takes the old one's place.
Takes: about two seconds per million standings.
Old app: works on.
Undo: builds the old index again.
"""

from alembic import op

revision = "2026_11_22_spend_index"
down_revision = "2026_11_22_erasures"
branch_labels = None
depends_on = None


def build(included: str) -> None:
    """The new index beside the old one; a broken attempt can be repeated."""
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS standings_spend_new_idx")
        op.execute(
            "CREATE INDEX CONCURRENTLY IF NOT EXISTS standings_spend_new_idx"
            f" ON standings (account_id, board_id, spend DESC, customer_id){included}"
        )


def take_its_place() -> None:
    """The new index is called as the old one was."""
    op.execute("-- squawk-ignore require-concurrent-index-deletion\nDROP INDEX standings_spend_idx")
    op.execute("-- squawk-ignore renaming-object\nALTER INDEX standings_spend_new_idx RENAME TO standings_spend_idx")


def upgrade() -> None:
    """With purchases."""
    build(" INCLUDE (purchases)")
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.execute("SET LOCAL statement_timeout = '10s'")
    take_its_place()


def downgrade() -> None:
    """Without them."""
    build("")
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.execute("SET LOCAL statement_timeout = '10s'")
    take_its_place()
