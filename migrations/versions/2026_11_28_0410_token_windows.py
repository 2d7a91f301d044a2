"""Token windows: the requests of each browser token in the present minute.

Why: a browser token has a limit of its own, which holds for all processes together.
Locks: api_keys for milliseconds, against writes, for the foreign key.
Takes: milliseconds.
Old app: works on; it knows nothing of the table.
Undo: drops the table; nothing else is lost.
"""

from alembic import op

revision = "2026_11_28_0410_token_windows"
down_revision = "2026_11_28_0401_discount_codes"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.execute("SET LOCAL statement_timeout = '10s'")
    op.execute("""
        CREATE TABLE token_windows (
            account_id BIGINT NOT NULL,
            key_id BIGINT NOT NULL,
            token_id BIGINT NOT NULL,
            limit_name TEXT NOT NULL
                CONSTRAINT token_windows_limit_name_check CHECK (limit_name in ('default', 'sends', 'expensive_reads')),
            began_at TIMESTAMP WITH TIME ZONE NOT NULL,
            taken BIGINT NOT NULL,
            leased BIGINT NOT NULL,
            CONSTRAINT token_windows_pkey PRIMARY KEY (account_id, key_id, token_id, limit_name),
            CONSTRAINT token_windows_account_id_key_id_fkey FOREIGN KEY(account_id, key_id)
                REFERENCES api_keys (account_id, id)
        )
    """)
    op.execute("CREATE INDEX token_windows_began_at_idx ON token_windows (began_at)")


def downgrade() -> None:
    """Drop the table."""
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.execute("SET LOCAL statement_timeout = '10s'")
    op.execute("DROP TABLE token_windows")
