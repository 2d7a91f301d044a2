"""Persons: the history of consent, the mark of an erased person's orders, and finding by prefix.

Why: profiles, consent and erasure.
Locks: a new nullable column takes ACCESS EXCLUSIVE on orders for an instant; the indexes are built without locks.
Takes: seconds for a million customers.
Old app: works on, it names its columns; it knows no erasure, so erase nobody before it is gone.
Undo: drops the history of consent and which orders were an erased person's; those stay no one's until sent anew.
"""

from alembic import op

revision = "2026_11_22_persons"
down_revision = "2026_11_22_standing_cells"
branch_labels = None
depends_on = None

INDEXES = {"customers_email_idx": "email", "customers_name_idx": "lower(name)"}


def upgrade() -> None:
    """Add what persons need; the indexes first, so that a broken attempt can be repeated."""
    with op.get_context().autocommit_block():
        for name, column in INDEXES.items():
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            op.execute(
                f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {name}"
                f" ON customers (account_id, source_id, {column} text_pattern_ops, id)"
            )
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.execute("SET LOCAL statement_timeout = '10s'")
    op.execute("ALTER TABLE orders ADD COLUMN erased_at TIMESTAMP WITH TIME ZONE")
    op.execute("CREATE SEQUENCE consent_changes_id_seq")
    op.execute("""
        CREATE TABLE consent_changes (
            account_id BIGINT NOT NULL,
            id BIGINT DEFAULT nextval('consent_changes_id_seq'::regclass) NOT NULL,
            customer_id BIGINT NOT NULL,
            marketing TEXT NOT NULL,
            changed_by TEXT NOT NULL,
            changed_at TIMESTAMP WITH TIME ZONE NOT NULL,
            CONSTRAINT consent_changes_pkey PRIMARY KEY (account_id, id),
            CONSTRAINT consent_changes_account_id_customer_id_fkey FOREIGN KEY (account_id, customer_id)
                REFERENCES customers (account_id, id)
        )
    """)
    op.execute("ALTER SEQUENCE consent_changes_id_seq OWNED BY consent_changes.id")
    op.execute("""
        CREATE INDEX consent_changes_account_id_customer_id_idx ON consent_changes (account_id, customer_id)
    """)


def downgrade() -> None:
    """Drop it."""
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.execute("SET LOCAL statement_timeout = '10s'")
    for name in INDEXES:
        op.execute(f"DROP INDEX {name}")
    op.execute("DROP TABLE consent_changes")
    op.execute("ALTER TABLE orders DROP COLUMN erased_at")
