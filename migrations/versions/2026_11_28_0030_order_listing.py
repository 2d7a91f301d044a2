"""Order listing: indexes along which a source's orders are read back, newest first.

Why: a page of orders, of one status, or of orders without a customer, must cost the same at any size.
Locks: none that stops reads or writes; the indexes are built concurrently.
Takes: half a minute per ten million orders and index.
Old app: works on.
Undo: drops the indexes; nothing else is lost.
"""

from alembic import op

revision = "2026_11_28_0030_order_listing"
down_revision = "2026_11_27_0050_audit_log"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Build both indexes anew, whatever a broken attempt has left."""
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.execute("SET LOCAL statement_timeout = '10s'")
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS orders_listing_idx")
        op.execute("""
            CREATE INDEX CONCURRENTLY IF NOT EXISTS orders_listing_idx
            ON orders (account_id, source_id, status, ordered_at, order_id)
            WHERE deleted_at IS NULL
        """)
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS orders_unattributed_idx")
        op.execute("""
            CREATE INDEX CONCURRENTLY IF NOT EXISTS orders_unattributed_idx
            ON orders (account_id, source_id, status, ordered_at, order_id)
            WHERE deleted_at IS NULL AND customer_id IS NULL
        """)


def downgrade() -> None:
    """Drop both indexes."""
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.execute("SET LOCAL statement_timeout = '10s'")
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS orders_unattributed_idx")
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS orders_listing_idx")
