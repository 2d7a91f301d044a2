"""Audit log: what the operator and admin keys have done, and when an account was closed.

Why: an operator must be able to close an account, and to see who changed what.
Locks: accounts for milliseconds.
Takes: milliseconds.
Old app: works on; it keeps no entries and lets closed accounts in.
Undo: drops the log and opens closed accounts.
"""

from alembic import op

revision = "2026_11_27_0050_audit_log"
down_revision = "2026_11_27_0030_source_amounts"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the log and the column."""
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.execute("SET LOCAL statement_timeout = '10s'")
    op.execute("ALTER TABLE accounts ADD COLUMN closed_at TIMESTAMP WITH TIME ZONE")
    op.execute("CREATE SEQUENCE audit_entries_id_seq")
    op.execute("""
        CREATE TABLE audit_entries (
            account_id BIGINT NOT NULL,
            id BIGINT DEFAULT nextval('audit_entries_id_seq'::regclass) NOT NULL,
            at TIMESTAMP WITH TIME ZONE NOT NULL,
            by TEXT NOT NULL,
            action TEXT NOT NULL CONSTRAINT audit_entries_action_check CHECK (action in (
                'account_opened', 'plan_changed', 'account_closed', 'account_reopened', 'key_created', 'key_revoked',
                'sender_set'
            )),
            about TEXT NOT NULL,
            CONSTRAINT audit_entries_pkey PRIMARY KEY (account_id, id),
            CONSTRAINT audit_entries_account_id_fkey FOREIGN KEY(account_id) REFERENCES accounts (id)
        )
    """)
    op.execute("ALTER SEQUENCE audit_entries_id_seq OWNED BY audit_entries.id")


def downgrade() -> None:
    """Drop both."""
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.execute("SET LOCAL statement_timeout = '10s'")
    op.execute("DROP TABLE audit_entries")
    op.execute("ALTER TABLE accounts DROP COLUMN closed_at")
