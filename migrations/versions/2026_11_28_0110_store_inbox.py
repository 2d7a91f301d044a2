"""Store inbox: shops that connect themselves, and what they send.

Why: Shopify and WooCommerce send their orders by webhooks, which must be stored before they are answered.
Locks: sources for milliseconds, so that the new tables can refer to it.
Takes: milliseconds.
Old app: works on; it connects no shop and does not know the new tables.
Undo: drops them, and with them secrets and webhooks that were not turned into orders yet.
"""

from alembic import op

revision = "2026_11_28_0110_store_inbox"
down_revision = "2026_11_28_0042_merged_customers"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.execute("SET LOCAL statement_timeout = '10s'")
    op.execute("""
        CREATE TABLE store_connections (
            account_id BIGINT NOT NULL,
            source_id BIGINT NOT NULL,
            secrets BYTEA NOT NULL,
            state TEXT NOT NULL CONSTRAINT store_connections_state_check CHECK (state in (
                'connecting', 'backfilling', 'live', 'degraded', 'disconnected'
            )),
            reason TEXT,
            since TIMESTAMP WITH TIME ZONE NOT NULL,
            api_version TEXT,
            customer_data TEXT,
            history_from TIMESTAMP WITH TIME ZONE,
            pulled_until TIMESTAMP WITH TIME ZONE,
            pull_cursor TEXT,
            pull_began_at TIMESTAMP WITH TIME ZONE,
            pulled_orders BIGINT DEFAULT '0' NOT NULL,
            expected_orders BIGINT,
            pull_due_at TIMESTAMP WITH TIME ZONE,
            pull_lease_until TIMESTAMP WITH TIME ZONE,
            failures BIGINT DEFAULT '0' NOT NULL,
            reconciled_at TIMESTAMP WITH TIME ZONE,
            CONSTRAINT store_connections_pkey PRIMARY KEY (account_id, source_id),
            CONSTRAINT store_connections_account_id_source_id_fkey
                FOREIGN KEY(account_id, source_id) REFERENCES sources (account_id, id)
        )
    """)
    op.execute("CREATE INDEX store_connections_source_id_idx ON store_connections (source_id)")
    op.execute("CREATE INDEX store_connections_pull_due_at_idx ON store_connections (pull_due_at)")
    op.execute("CREATE SEQUENCE inbox_id_seq")
    op.execute("""
        CREATE TABLE inbox (
            account_id BIGINT NOT NULL,
            id BIGINT DEFAULT nextval('inbox_id_seq'::regclass) NOT NULL,
            source_id BIGINT NOT NULL,
            identity BYTEA NOT NULL,
            topic TEXT NOT NULL,
            content BYTEA,
            status TEXT NOT NULL CONSTRAINT inbox_status_check CHECK (status in (
                'waiting', 'applied', 'ignored', 'quarantined'
            )),
            reason TEXT,
            detail TEXT,
            mentions BIGINT[],
            received_at TIMESTAMP WITH TIME ZONE NOT NULL,
            settled_at TIMESTAMP WITH TIME ZONE,
            CONSTRAINT inbox_pkey PRIMARY KEY (account_id, id),
            CONSTRAINT inbox_account_id_source_id_identity_key UNIQUE (account_id, source_id, identity),
            CONSTRAINT inbox_account_id_source_id_fkey
                FOREIGN KEY(account_id, source_id) REFERENCES sources (account_id, id)
        )
    """)
    op.execute("ALTER SEQUENCE inbox_id_seq OWNED BY inbox.id")
    op.execute("CREATE INDEX inbox_waiting_idx ON inbox (account_id, source_id, id) WHERE status = 'waiting'")
    op.execute("CREATE INDEX inbox_quarantined_idx ON inbox (account_id, source_id, id) WHERE status = 'quarantined'")
    op.execute("CREATE INDEX inbox_account_id_source_id_id_idx ON inbox (account_id, source_id, id)")
    op.execute("CREATE INDEX inbox_received_at_idx ON inbox (received_at)")
    op.execute("""
        CREATE TABLE orders_to_read (
            account_id BIGINT NOT NULL,
            source_id BIGINT NOT NULL,
            order_id TEXT NOT NULL,
            asked_at TIMESTAMP WITH TIME ZONE NOT NULL,
            CONSTRAINT orders_to_read_pkey PRIMARY KEY (account_id, source_id, order_id),
            CONSTRAINT orders_to_read_account_id_source_id_fkey
                FOREIGN KEY(account_id, source_id) REFERENCES sources (account_id, id)
        )
    """)
    op.execute("""
        CREATE TABLE store_refunds (
            account_id BIGINT NOT NULL,
            source_id BIGINT NOT NULL,
            order_id TEXT NOT NULL,
            refund_id TEXT NOT NULL,
            amount TEXT NOT NULL,
            CONSTRAINT store_refunds_pkey PRIMARY KEY (account_id, source_id, order_id, refund_id),
            CONSTRAINT store_refunds_account_id_source_id_fkey
                FOREIGN KEY(account_id, source_id) REFERENCES sources (account_id, id)
        )
    """)


def downgrade() -> None:
    """Drop them."""
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.execute("SET LOCAL statement_timeout = '10s'")
    for table in ("store_refunds", "orders_to_read", "inbox", "store_connections"):
        op.execute(f"DROP TABLE {table}")
