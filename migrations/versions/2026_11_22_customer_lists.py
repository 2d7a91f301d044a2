"""Customer lists: the customers of each store by their number.

Why: to list a small store, all customers of the account's large ones were walked over.
Locks: none, the index is built beside the writes.
Takes: about a second per million customers.
Old app: works on.
Undo: drops the index.
"""

from alembic import op

revision = "2026_11_22_customer_lists"
down_revision = "2026_11_22_messages"
branch_labels = None
depends_on = None

NAME = "customers_account_id_source_id_id_idx"


def upgrade() -> None:
    """Add it; a broken attempt can be repeated."""
    with op.get_context().autocommit_block():
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {NAME}")
        op.execute(f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {NAME} ON customers (account_id, source_id, id)")
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.execute("SET LOCAL statement_timeout = '10s'")


def downgrade() -> None:
    """Drop it."""
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.execute("SET LOCAL statement_timeout = '10s'")
    op.execute(f"DROP INDEX {NAME}")
