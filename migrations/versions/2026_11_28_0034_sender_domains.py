"""Sender domains: which account may write from which domain, and how many mails each has queued today.

Why: nobody may write in the name of another account's shop, and no account may send without end.
Locks: accounts for milliseconds; audit_entries while its check is exchanged and its rows are read, against writes.
Takes: milliseconds, and a second per million entries of the audit log.
Old app: works on; it asks for no domains, counts no mails and writes none of the new entries.
Undo: drops domains, counts, and the entries about domains.
"""

from alembic import op

revision = "2026_11_28_0034_sender_domains"
down_revision = "2026_11_28_0033_store_identity"
branch_labels = None
depends_on = None

ACTIONS = (
    "'account_opened', 'plan_changed', 'account_closed', 'account_reopened', 'key_created', 'key_revoked', 'sender_set'"
)
ABOUT_DOMAINS = "'domain_verified', 'domain_granted', 'domain_removed'"


def upgrade() -> None:
    """Create the tables, and let the audit log tell of domains."""
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.execute("SET LOCAL statement_timeout = '10s'")
    op.execute("""
        CREATE TABLE sender_domains (
            account_id BIGINT NOT NULL,
            domain TEXT NOT NULL,
            token TEXT NOT NULL,
            created_at TIMESTAMP WITH TIME ZONE NOT NULL,
            verified_at TIMESTAMP WITH TIME ZONE,
            CONSTRAINT sender_domains_pkey PRIMARY KEY (account_id, domain),
            CONSTRAINT sender_domains_account_id_fkey FOREIGN KEY(account_id) REFERENCES accounts (id)
        )
    """)
    op.execute("CREATE INDEX sender_domains_domain_idx ON sender_domains (domain)")
    op.execute("""
        CREATE TABLE daily_mails (
            account_id BIGINT NOT NULL,
            kind TEXT NOT NULL CONSTRAINT daily_mails_kind_check CHECK (kind in ('marketing', 'transactional')),
            day DATE NOT NULL,
            queued BIGINT NOT NULL,
            CONSTRAINT daily_mails_pkey PRIMARY KEY (account_id, kind),
            CONSTRAINT daily_mails_account_id_fkey FOREIGN KEY(account_id) REFERENCES accounts (id)
        )
    """)
    # Another check takes its place below.
    op.execute(
        "-- squawk-ignore ban-drop-constraint\nALTER TABLE audit_entries DROP CONSTRAINT audit_entries_action_check"
    )
    op.execute(f"""
        ALTER TABLE audit_entries ADD CONSTRAINT audit_entries_action_check
        CHECK (action in ({ACTIONS}, {ABOUT_DOMAINS})) NOT VALID
    """)
    # In a transaction of its own: it reads all rows, and nobody may wait for it.
    with op.get_context().autocommit_block():
        op.execute("ALTER TABLE audit_entries VALIDATE CONSTRAINT audit_entries_action_check")


def downgrade() -> None:
    """Drop the tables and the entries about domains."""
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.execute("SET LOCAL statement_timeout = '10s'")
    op.execute("DROP TABLE daily_mails")
    op.execute("DROP TABLE sender_domains")
    op.execute(f"DELETE FROM audit_entries WHERE action in ({ABOUT_DOMAINS})")
    op.execute("ALTER TABLE audit_entries DROP CONSTRAINT audit_entries_action_check")
    op.execute(f"""
        ALTER TABLE audit_entries ADD CONSTRAINT audit_entries_action_check
        CHECK (action in ({ACTIONS})) NOT VALID
    """)
    op.execute("ALTER TABLE audit_entries VALIDATE CONSTRAINT audit_entries_action_check")
