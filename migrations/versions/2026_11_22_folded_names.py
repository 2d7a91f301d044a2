"""Folded names: the index that finds customers by how their name begins knows names as they look.

Why: names that begin with a space, or are written in decomposed characters, were found by nothing; and where a page
ended was a whole name of up to 500 characters in a cursor.
Locks: none while the index is built; customers against everything for the instant in which it takes the old one's place.
Takes: a few seconds per million customers.
Old app: works on, but its search by a prefix reads a store's customers until it is gone.
Undo: builds the old index again.
"""

from alembic import op

revision = "2026_11_22_folded_names"
down_revision = "2026_11_22_customer_lists"
branch_labels = None
depends_on = None


def build(folded: str) -> None:
    """The new index beside the old one; a broken attempt can be repeated."""
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS customers_name_new_idx")
        op.execute(
            "CREATE INDEX CONCURRENTLY IF NOT EXISTS customers_name_new_idx"
            f" ON customers (account_id, source_id, {folded} text_pattern_ops, id)"
        )


def take_its_place() -> None:
    """The new index is called as the old one was."""
    op.execute("-- squawk-ignore require-concurrent-index-deletion\nDROP INDEX customers_name_idx")
    op.execute("-- squawk-ignore renaming-object\nALTER INDEX customers_name_new_idx RENAME TO customers_name_idx")


def upgrade() -> None:
    """Composed, without leading spaces, the first 100 characters."""
    build('"left"(lower(normalize(ltrim(name))), 100)')
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.execute("SET LOCAL statement_timeout = '10s'")
    take_its_place()


def downgrade() -> None:
    """Whole, as they are written."""
    build("lower(name)")
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.execute("SET LOCAL statement_timeout = '10s'")
    take_its_place()
