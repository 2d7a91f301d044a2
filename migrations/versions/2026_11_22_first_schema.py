"""The first schema: accounts, keys, audiences, sources, customers, orders, boards and standings.

Why: the service begins here.
Locks: only tables that it creates.
Takes: milliseconds.
Old app: there is none.
Undo: drops everything.
"""

from alembic import op

revision = "2026_11_22_first_schema"
down_revision = None
branch_labels = None
depends_on = None

# Customers' contact dates move with their orders: pages with room keep that from touching the indexes.
UPGRADE = (
    """
    CREATE TYPE order_status AS ENUM (
        'pending', 'authorized', 'partially_paid', 'paid', 'partially_refunded', 'refunded', 'cancelled', 'voided')
    """,
    "CREATE TYPE board_kind AS ENUM ('week', 'month', 'quarter', 'year', 'last_365_days', 'all_time')",
    "CREATE TYPE metric AS ENUM ('number_of_purchases', 'average_order_amount', 'total_spend')",
    "CREATE SEQUENCE accounts_id_seq",
    """
    CREATE TABLE accounts (
        id BIGINT DEFAULT nextval('accounts_id_seq'::regclass) NOT NULL,
        name TEXT NOT NULL,
        plan TEXT NOT NULL CONSTRAINT accounts_plan_check CHECK (plan in ('free', 'paid')),
        cursor_secret BYTEA NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT accounts_pkey PRIMARY KEY (id)
    )
    """,
    "ALTER SEQUENCE accounts_id_seq OWNED BY accounts.id",
    """
    CREATE TABLE outdated_standings (
        account_id BIGINT NOT NULL,
        source_id BIGINT NOT NULL,
        customer_id BIGINT NOT NULL,
        CONSTRAINT outdated_standings_pkey PRIMARY KEY (account_id, source_id, customer_id)
    )
    """,
    """
    CREATE TABLE standing_buckets (
        account_id BIGINT NOT NULL,
        board_id BIGINT NOT NULL,
        metric metric NOT NULL,
        bucket BIGINT NOT NULL,
        customers BIGINT NOT NULL CONSTRAINT standing_buckets_customers_check CHECK (customers >= 0),
        CONSTRAINT standing_buckets_pkey PRIMARY KEY (account_id, board_id, metric, bucket)
    )
    """,
    """
    CREATE TABLE standings (
        account_id BIGINT NOT NULL,
        board_id BIGINT NOT NULL,
        customer_id BIGINT NOT NULL,
        spend BIGINT NOT NULL,
        average BIGINT GENERATED ALWAYS AS (spend / purchases + ((spend % purchases) * 2 >= purchases)::int) STORED NOT NULL,
        last_order_at TIMESTAMP WITH TIME ZONE NOT NULL,
        purchases BIGINT NOT NULL CONSTRAINT standings_purchases_check CHECK (purchases > 0),
        CONSTRAINT standings_pkey PRIMARY KEY (account_id, board_id, customer_id)
    )
    """,
    "CREATE INDEX standings_average_idx ON standings (account_id, board_id, average DESC, customer_id)",
    """
    CREATE INDEX standings_purchases_idx ON standings (account_id, board_id, purchases DESC, customer_id)
    """,
    "CREATE INDEX standings_spend_idx ON standings (account_id, board_id, spend DESC, customer_id)",
    "CREATE SEQUENCE api_keys_id_seq",
    """
    CREATE TABLE api_keys (
        account_id BIGINT NOT NULL,
        id BIGINT DEFAULT nextval('api_keys_id_seq'::regclass) NOT NULL,
        name TEXT NOT NULL,
        scopes TEXT[] NOT NULL,
        hash BYTEA NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        revoked_at TIMESTAMP WITH TIME ZONE,
        CONSTRAINT api_keys_pkey PRIMARY KEY (account_id, id),
        CONSTRAINT api_keys_account_id_hash_key UNIQUE (account_id, hash),
        CONSTRAINT api_keys_account_id_fkey FOREIGN KEY (account_id)
                REFERENCES accounts (id)
    )
    """,
    "ALTER SEQUENCE api_keys_id_seq OWNED BY api_keys.id",
    "CREATE SEQUENCE audiences_id_seq",
    """
    CREATE TABLE audiences (
        account_id BIGINT NOT NULL,
        id BIGINT DEFAULT nextval('audiences_id_seq'::regclass) NOT NULL,
        name TEXT NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT audiences_pkey PRIMARY KEY (account_id, id),
        CONSTRAINT audiences_account_id_fkey FOREIGN KEY (account_id)
                REFERENCES accounts (id)
    )
    """,
    "ALTER SEQUENCE audiences_id_seq OWNED BY audiences.id",
    "CREATE SEQUENCE sources_id_seq",
    """
    CREATE TABLE sources (
        account_id BIGINT NOT NULL,
        id BIGINT DEFAULT nextval('sources_id_seq'::regclass) NOT NULL,
        audience_id BIGINT NOT NULL,
        name TEXT NOT NULL,
        platform TEXT NOT NULL,
        currency TEXT NOT NULL,
        time_zone TEXT NOT NULL,
        week_start TEXT NOT NULL,
        orders BIGINT DEFAULT '0' NOT NULL,
        unattributed BIGINT DEFAULT '0' NOT NULL,
        foreign_currency BIGINT DEFAULT '0' NOT NULL,
        version BIGINT DEFAULT '0' NOT NULL,
        contacts_version BIGINT DEFAULT '0' NOT NULL,
        boards_due_at TIMESTAMP WITH TIME ZONE NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT sources_pkey PRIMARY KEY (account_id, id),
        CONSTRAINT sources_account_id_audience_id_fkey FOREIGN KEY (account_id, audience_id)
                REFERENCES audiences (account_id, id)
    )
    """,
    "ALTER SEQUENCE sources_id_seq OWNED BY sources.id",
    "CREATE INDEX sources_account_id_audience_id_idx ON sources (account_id, audience_id)",
    "CREATE INDEX sources_boards_due_at_idx ON sources (boards_due_at)",
    "CREATE SEQUENCE boards_id_seq",
    """
    CREATE TABLE boards (
        account_id BIGINT NOT NULL,
        id BIGINT DEFAULT nextval('boards_id_seq'::regclass) NOT NULL,
        source_id BIGINT NOT NULL,
        kind board_kind NOT NULL,
        start TIMESTAMP WITH TIME ZONE NOT NULL,
        counted_from TIMESTAMP WITH TIME ZONE NOT NULL,
        counted_until TIMESTAMP WITH TIME ZONE NOT NULL,
        customers BIGINT NOT NULL CONSTRAINT boards_customers_check CHECK (customers >= 0),
        purchases BIGINT NOT NULL,
        spend NUMERIC NOT NULL,
        version BIGINT NOT NULL,
        CONSTRAINT boards_pkey PRIMARY KEY (account_id, id),
        CONSTRAINT boards_account_id_source_id_fkey FOREIGN KEY (account_id, source_id)
                REFERENCES sources (account_id, id),
        CONSTRAINT boards_account_id_source_id_kind_start_key UNIQUE (account_id, source_id, kind, start)
    )
    """,
    "ALTER SEQUENCE boards_id_seq OWNED BY boards.id",
    "CREATE SEQUENCE customers_id_seq",
    """
    CREATE TABLE customers (
        account_id BIGINT NOT NULL,
        id BIGINT DEFAULT nextval('customers_id_seq'::regclass) NOT NULL,
        source_id BIGINT NOT NULL,
        external_id TEXT,
        email TEXT,
        name TEXT,
        email_at TIMESTAMP WITH TIME ZONE,
        name_at TIMESTAMP WITH TIME ZONE,
        marketing TEXT DEFAULT 'non_subscribed' NOT NULL CONSTRAINT customers_marketing_check CHECK (marketing in ('subscribed', 'unsubscribed', 'non_subscribed', 'cleaned')),
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT customers_pkey PRIMARY KEY (account_id, id),
        CONSTRAINT customers_account_id_source_id_fkey FOREIGN KEY (account_id, source_id)
                REFERENCES sources (account_id, id),
        CONSTRAINT customers_account_id_source_id_external_id_key UNIQUE (account_id, source_id, external_id)
    ) WITH (fillfactor = 80)
    """,
    "ALTER SEQUENCE customers_id_seq OWNED BY customers.id",
    "CREATE SEQUENCE imports_id_seq",
    """
    CREATE TABLE imports (
        account_id BIGINT NOT NULL,
        id BIGINT DEFAULT nextval('imports_id_seq'::regclass) NOT NULL,
        source_id BIGINT NOT NULL,
        received BIGINT NOT NULL,
        created BIGINT NOT NULL,
        updated BIGINT NOT NULL,
        unchanged BIGINT NOT NULL,
        rejected BIGINT NOT NULL,
        started_at TIMESTAMP WITH TIME ZONE NOT NULL,
        progressed_at TIMESTAMP WITH TIME ZONE NOT NULL,
        finished_at TIMESTAMP WITH TIME ZONE,
        CONSTRAINT imports_pkey PRIMARY KEY (account_id, id),
        CONSTRAINT imports_account_id_source_id_fkey FOREIGN KEY (account_id, source_id)
                REFERENCES sources (account_id, id)
    )
    """,
    "ALTER SEQUENCE imports_id_seq OWNED BY imports.id",
    "CREATE INDEX imports_account_id_source_id_idx ON imports (account_id, source_id)",
    """
    CREATE TABLE addresses (
        account_id BIGINT NOT NULL,
        source_id BIGINT NOT NULL,
        email TEXT NOT NULL,
        customer_id BIGINT NOT NULL,
        CONSTRAINT addresses_pkey PRIMARY KEY (account_id, source_id, email),
        CONSTRAINT addresses_account_id_source_id_fkey FOREIGN KEY (account_id, source_id)
                REFERENCES sources (account_id, id),
        CONSTRAINT addresses_account_id_customer_id_fkey FOREIGN KEY (account_id, customer_id)
                REFERENCES customers (account_id, id)
    )
    """,
    "CREATE INDEX addresses_account_id_customer_id_idx ON addresses (account_id, customer_id)",
    """
    CREATE TABLE orders (
        account_id BIGINT NOT NULL,
        source_id BIGINT NOT NULL,
        order_id TEXT NOT NULL,
        customer_id BIGINT,
        guest_email TEXT,
        ordered_at TIMESTAMP WITH TIME ZONE NOT NULL,
        total BIGINT NOT NULL CONSTRAINT orders_total_check CHECK (total >= 0),
        refunded BIGINT NOT NULL CONSTRAINT orders_refunded_check CHECK (refunded >= 0),
        foreign_currency TEXT,
        items BIGINT,
        status order_status NOT NULL,
        updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
        content_hash BIGINT NOT NULL,
        test BOOLEAN NOT NULL,
        deleted_at TIMESTAMP WITH TIME ZONE,
        spend BIGINT GENERATED ALWAYS AS (CASE WHEN status >= 'partially_paid'::order_status AND status <= 'partially_refunded'::order_status AND customer_id IS NOT NULL AND foreign_currency IS NULL AND NOT test AND deleted_at IS NULL AND NOT (total > 0 AND refunded >= total) THEN greatest(total - refunded, 0) END) STORED,
        CONSTRAINT orders_pkey PRIMARY KEY (account_id, source_id, order_id),
        CONSTRAINT orders_account_id_source_id_fkey FOREIGN KEY (account_id, source_id)
                REFERENCES sources (account_id, id),
        CONSTRAINT orders_account_id_customer_id_fkey FOREIGN KEY (account_id, customer_id)
                REFERENCES customers (account_id, id)
    )
    """,
    "CREATE INDEX orders_by_customer_idx ON orders (account_id, customer_id, ordered_at)",
    """
    CREATE INDEX orders_purchases_idx ON orders (account_id, source_id, ordered_at) INCLUDE (customer_id, spend) WHERE spend IS NOT NULL
    """,
)

DOWNGRADE = (
    "DROP TABLE orders",
    "DROP TABLE addresses",
    "DROP TABLE imports",
    "DROP TABLE customers",
    "DROP TABLE boards",
    "DROP TABLE sources",
    "DROP TABLE audiences",
    "DROP TABLE api_keys",
    "DROP TABLE standings",
    "DROP TABLE standing_buckets",
    "DROP TABLE outdated_standings",
    "DROP TABLE accounts",
    "DROP TYPE metric",
    "DROP TYPE board_kind",
    "DROP TYPE order_status",
)


def upgrade() -> None:
    """Create everything."""
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.execute("SET LOCAL statement_timeout = '10s'")
    for statement in UPGRADE:
        op.execute(statement)


def downgrade() -> None:
    """Drop everything."""
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.execute("SET LOCAL statement_timeout = '10s'")
    for statement in DOWNGRADE:
        op.execute(statement)
