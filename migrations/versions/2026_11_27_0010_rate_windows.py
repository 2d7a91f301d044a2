"""Rate windows: the requests of each key in the present minute.

Why: a limit that holds for all processes together needs one place where requests are counted.
Locks: api_keys for milliseconds, against writes, for the foreign key.
Takes: milliseconds.
Old app: works on; it knows nothing of the table.
Undo: drops the table; nothing else is lost.
"""

from alembic import op

revision = "2026_11_27_0010_rate_windows"
down_revision = "2026_11_26_1730_first_schema"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.execute("SET LOCAL statement_timeout = '10s'")
    op.execute("""
        CREATE TABLE rate_windows (
            account_id BIGINT NOT NULL,
            key_id BIGINT NOT NULL,
            limit_name TEXT NOT NULL
                CONSTRAINT rate_windows_limit_name_check CHECK (limit_name in ('default', 'sends', 'expensive_reads')),
            began_at TIMESTAMP WITH TIME ZONE NOT NULL,
            taken BIGINT NOT NULL,
            leased BIGINT NOT NULL,
            CONSTRAINT rate_windows_pkey PRIMARY KEY (account_id, key_id, limit_name),
            CONSTRAINT rate_windows_account_id_key_id_fkey FOREIGN KEY(account_id, key_id)
                REFERENCES api_keys (account_id, id)
        )
    """)


def downgrade() -> None:
    """Drop the table."""
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.execute("SET LOCAL statement_timeout = '10s'")
    op.execute("DROP TABLE rate_windows")
