"""Refused rows: the rows of imports that were not stored, and how each import ended.

Why: every refused row must be readable after the import, not the first hundred in its answer.
Locks: imports for milliseconds; its index is built concurrently.
Takes: milliseconds, and seconds for the index of millions of imports.
Old app: works on; it keeps no refused rows.
Undo: drops the refused rows and the reasons why imports ended.
"""

from alembic import op

revision = "2026_11_28_0120_refused_rows"
down_revision = "2026_11_28_0110_store_inbox"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table and the columns, then replace the index by one that lists imports in order."""
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.execute("SET LOCAL statement_timeout = '10s'")
    op.execute("ALTER TABLE imports ADD COLUMN IF NOT EXISTS ended_because TEXT")
    op.execute("ALTER TABLE imports ADD COLUMN IF NOT EXISTS refused_kept BIGINT DEFAULT 0 NOT NULL")
    op.execute("""
        CREATE TABLE IF NOT EXISTS refused_rows (
            account_id BIGINT NOT NULL,
            import_id BIGINT NOT NULL,
            number BIGINT NOT NULL,
            line BIGINT NOT NULL,
            last_line BIGINT NOT NULL,
            order_id TEXT,
            code TEXT NOT NULL,
            detail TEXT NOT NULL,
            CONSTRAINT refused_rows_pkey PRIMARY KEY (account_id, import_id, number),
            CONSTRAINT refused_rows_account_id_import_id_fkey
                FOREIGN KEY(account_id, import_id) REFERENCES imports (account_id, id)
        )
    """)
    with op.get_context().autocommit_block():
        for index in ("imports_account_id_source_id_id_idx", "imports_refused_idx"):
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {index}")
        op.execute("""
            CREATE INDEX CONCURRENTLY IF NOT EXISTS imports_account_id_source_id_id_idx
            ON imports (account_id, source_id, id)
        """)
        op.execute(
            "CREATE INDEX CONCURRENTLY IF NOT EXISTS imports_refused_idx ON imports (started_at) WHERE refused_kept > 0"
        )
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS imports_account_id_source_id_idx")


def downgrade() -> None:
    """Put the old index back and drop the rest."""
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.execute("SET LOCAL statement_timeout = '10s'")
    op.execute("DROP TABLE IF EXISTS refused_rows")
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS imports_account_id_source_id_idx")
        op.execute("CREATE INDEX CONCURRENTLY imports_account_id_source_id_idx ON imports (account_id, source_id)")
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS imports_refused_idx")
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS imports_account_id_source_id_id_idx")
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.execute("ALTER TABLE imports DROP COLUMN IF EXISTS refused_kept, DROP COLUMN IF EXISTS ended_because")
