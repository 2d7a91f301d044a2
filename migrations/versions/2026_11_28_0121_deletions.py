"""Deletions: accounts and stores can be deleted with everything in them.

Why: the mark makes an account or a store unknown at once, while its rows are removed bit by bit; `deletions` says
what was deleted when nothing else of it is left.
Locks: accounts, sources and the audit log for milliseconds; the indexes are built concurrently.
Takes: milliseconds, and seconds for the check of a long audit log.
Old app: works on, but shows what is marked as deleted until it is gone.
Undo: drops marks and deletions: what is being deleted comes back as far as it is not gone.
"""

from alembic import op

revision = "2026_11_28_0121_deletions"
down_revision = "2026_11_28_0120_refused_rows"
branch_labels = None
depends_on = None

BEFORE = (
    "'account_opened', 'plan_changed', 'account_closed', 'account_reopened', 'key_created', 'key_revoked',"
    " 'sender_set', 'domain_verified', 'domain_granted', 'domain_removed'"
)
AFTER = f"{BEFORE}, 'source_deleted', 'account_deleted'"
DROP_CHECK = "ALTER TABLE audit_entries DROP CONSTRAINT audit_entries_action_check"
ADD_CHECK = """
    ALTER TABLE audit_entries ADD CONSTRAINT audit_entries_action_check CHECK (action in ({actions})) NOT VALID
"""
VALIDATE_CHECK = "ALTER TABLE audit_entries VALIDATE CONSTRAINT audit_entries_action_check"


def upgrade() -> None:
    """Add the marks and the table, and let the audit log hold deletions."""
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.execute("SET LOCAL statement_timeout = '10s'")
    op.execute("ALTER TABLE accounts ADD COLUMN IF NOT EXISTS deleted_at TIMESTAMP WITH TIME ZONE")
    op.execute("ALTER TABLE sources ADD COLUMN IF NOT EXISTS deleted_at TIMESTAMP WITH TIME ZONE")
    op.execute("""
        CREATE TABLE IF NOT EXISTS deletions (
            account_id BIGINT NOT NULL,
            noun TEXT NOT NULL CONSTRAINT deletions_noun_check CHECK (noun in ('account', 'source')),
            number BIGINT NOT NULL,
            by TEXT NOT NULL,
            asked_at TIMESTAMP WITH TIME ZONE NOT NULL,
            gone_at TIMESTAMP WITH TIME ZONE,
            CONSTRAINT deletions_pkey PRIMARY KEY (account_id, noun, number)
        )
    """)
    # Another check takes its place below.
    op.execute(f"-- squawk-ignore ban-drop-constraint\n{DROP_CHECK}")
    op.execute(ADD_CHECK.format(actions=AFTER))
    with op.get_context().autocommit_block():
        for table in ("accounts", "sources"):
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {table}_deleted_idx")
            op.execute(f"""
                CREATE INDEX CONCURRENTLY IF NOT EXISTS {table}_deleted_idx
                ON {table} (deleted_at) WHERE deleted_at IS NOT NULL
            """)
    # In a transaction of its own: it reads all rows, and nobody may wait for it.
    with op.get_context().autocommit_block():
        op.execute(VALIDATE_CHECK)


def downgrade() -> None:
    """Drop marks, table and entries."""
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.execute("SET LOCAL statement_timeout = '10s'")
    op.execute("DELETE FROM audit_entries WHERE action IN ('source_deleted', 'account_deleted')")
    op.execute(DROP_CHECK)
    op.execute(ADD_CHECK.format(actions=BEFORE))
    op.execute(VALIDATE_CHECK)
    op.execute("DROP TABLE deletions")
    op.execute("ALTER TABLE accounts DROP COLUMN deleted_at")
    op.execute("ALTER TABLE sources DROP COLUMN deleted_at")
