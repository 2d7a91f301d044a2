"""Data requests: the operator is told of them by mail.

Why: a person who asks a store what is stored about them was named in the log alone, where nobody may look.
Locks: sources for milliseconds, so that the new table can refer to it.
Takes: milliseconds.
Old app: works on, and still tells by its log alone.
Undo: drops the requests of which the operator was not told yet.
"""

from alembic import op

revision = "2026_11_28_0400_data_requests"
down_revision = "2026_11_28_0121_deletions"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.execute("SET LOCAL statement_timeout = '10s'")
    op.execute("CREATE SEQUENCE data_requests_id_seq")
    op.execute("""
        CREATE TABLE data_requests (
            account_id BIGINT NOT NULL,
            id BIGINT DEFAULT nextval('data_requests_id_seq'::regclass) NOT NULL,
            source_id BIGINT NOT NULL,
            customers BIGINT[] NOT NULL,
            asked_at TIMESTAMP WITH TIME ZONE NOT NULL,
            tell_at TIMESTAMP WITH TIME ZONE NOT NULL,
            tries BIGINT DEFAULT '0' NOT NULL,
            CONSTRAINT data_requests_pkey PRIMARY KEY (account_id, id),
            CONSTRAINT data_requests_account_id_source_id_fkey
                FOREIGN KEY(account_id, source_id) REFERENCES sources (account_id, id)
        )
    """)
    op.execute("ALTER SEQUENCE data_requests_id_seq OWNED BY data_requests.id")
    op.execute("CREATE INDEX data_requests_account_id_source_id_idx ON data_requests (account_id, source_id)")
    op.execute("CREATE INDEX data_requests_tell_at_idx ON data_requests (tell_at)")


def downgrade() -> None:
    """Drop it."""
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.execute("SET LOCAL statement_timeout = '10s'")
    op.execute("DROP TABLE data_requests")
