"""Merged customers: where customers have gone who became part of another one.

Why: ids that clients have stored must lead to the heir.
Locks: nothing but the new table.
Takes: milliseconds.
Old app: works on; whom it merges meanwhile is not found by the old id.
Undo: drops the table; old ids answer 404 again, and orders with the id of a merged customer make a new one.
"""

from alembic import op

revision = "2026_11_28_0042_merged_customers"
down_revision = "2026_11_28_0041_contacts"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.execute("SET LOCAL statement_timeout = '10s'")
    op.execute("""
        CREATE TABLE merged_customers (
            account_id BIGINT NOT NULL,
            id BIGINT NOT NULL,
            source_id BIGINT NOT NULL,
            external_id TEXT,
            heir_id BIGINT NOT NULL,
            merged_at TIMESTAMP WITH TIME ZONE NOT NULL,
            CONSTRAINT merged_customers_pkey PRIMARY KEY (account_id, id),
            CONSTRAINT merged_customers_account_id_source_id_fkey
                FOREIGN KEY (account_id, source_id) REFERENCES sources (account_id, id),
            CONSTRAINT merged_customers_account_id_heir_id_fkey
                FOREIGN KEY (account_id, heir_id) REFERENCES customers (account_id, id)
        )
    """)
    op.execute("CREATE INDEX merged_customers_account_id_heir_id_idx ON merged_customers (account_id, heir_id)")
    op.execute("""
        CREATE INDEX merged_customers_account_id_source_id_external_id_idx
        ON merged_customers (account_id, source_id, external_id)
    """)


def downgrade() -> None:
    """Drop the table."""
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.execute("SET LOCAL statement_timeout = '10s'")
    op.execute("DROP TABLE merged_customers")
