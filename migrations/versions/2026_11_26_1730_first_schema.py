"""The first schema: everything that is stored.

Why: the service begins here.
Locks: only tables that it creates.
Takes: milliseconds.
Old app: there is none; databases of earlier development versions are not upgraded.
Undo: drops everything.
"""

from alembic import op

revision = "2026_11_26_1730_first_schema"
down_revision = None
branch_labels = None
depends_on = None

# The contact dates of customers move with their orders: pages with room keep that from touching the indexes.
UPGRADE = (
    """
    CREATE TYPE order_status AS ENUM (
        'pending',
        'authorized',
        'partially_paid',
        'paid',
        'partially_refunded',
        'refunded',
        'cancelled',
        'voided'
    )
    """,
    """
    CREATE TYPE board_kind AS ENUM (
        'week',
        'month',
        'quarter',
        'year',
        'last_365_days',
        'all_time'
    )
    """,
    """
    CREATE TYPE metric AS ENUM (
        'number_of_purchases',
        'average_order_amount',
        'total_spend'
    )
    """,
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
        least_value BIGINT NOT NULL,
        customers BIGINT NOT NULL CONSTRAINT standing_buckets_customers_check CHECK (customers >= 0),
        CONSTRAINT standing_buckets_pkey
            PRIMARY KEY (account_id, board_id, metric, least_value)
    )
    """,
    """
    CREATE TABLE standing_cells (
        account_id BIGINT NOT NULL,
        board_id BIGINT NOT NULL,
        least_purchases BIGINT NOT NULL,
        least_spend BIGINT NOT NULL,
        customers BIGINT NOT NULL CONSTRAINT standing_cells_customers_check CHECK (customers >= 0),
        CONSTRAINT standing_cells_pkey
            PRIMARY KEY (account_id, board_id, least_purchases, least_spend)
    )
    """,
    """
    CREATE TABLE standings (
        account_id BIGINT NOT NULL,
        board_id BIGINT NOT NULL,
        customer_id BIGINT NOT NULL,
        spend BIGINT NOT NULL,
        average BIGINT GENERATED ALWAYS AS (
            spend / purchases + ((spend % purchases) * 2 >= purchases)::int
        ) STORED NOT NULL,
        last_order_at TIMESTAMP WITH TIME ZONE NOT NULL,
        purchases BIGINT NOT NULL CONSTRAINT standings_purchases_check CHECK (purchases > 0),
        CONSTRAINT standings_pkey PRIMARY KEY (account_id, board_id, customer_id)
    )
    """,
    "CREATE INDEX standings_average_idx ON standings (account_id, board_id, average DESC, customer_id)",
    "CREATE INDEX standings_purchases_idx ON standings (account_id, board_id, purchases DESC, customer_id)",
    """
    CREATE INDEX standings_spend_idx ON standings (account_id, board_id, spend DESC, customer_id)
        INCLUDE (purchases)
    """,
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
        CONSTRAINT api_keys_account_id_fkey FOREIGN KEY (account_id) REFERENCES accounts (id),
        CONSTRAINT api_keys_account_id_hash_key UNIQUE (account_id, hash)
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
        CONSTRAINT audiences_account_id_fkey FOREIGN KEY (account_id) REFERENCES accounts (id)
    )
    """,
    "ALTER SEQUENCE audiences_id_seq OWNED BY audiences.id",
    """
    CREATE TABLE idempotency_keys (
        account_id BIGINT NOT NULL,
        operation TEXT NOT NULL,
        key TEXT NOT NULL,
        fingerprint BYTEA NOT NULL,
        status BIGINT DEFAULT '0' NOT NULL,
        location TEXT,
        answer TEXT,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT idempotency_keys_pkey PRIMARY KEY (account_id, operation, key),
        CONSTRAINT idempotency_keys_account_id_fkey
            FOREIGN KEY (account_id) REFERENCES accounts (id)
    )
    """,
    "CREATE INDEX idempotency_keys_created_at_idx ON idempotency_keys (created_at)",
    """
    CREATE TABLE senders (
        account_id BIGINT NOT NULL,
        name TEXT NOT NULL,
        email TEXT NOT NULL,
        postal_address TEXT NOT NULL,
        reply_to TEXT,
        paused_because TEXT,
        rate_used_until TIMESTAMP WITH TIME ZONE NOT NULL,
        paused_until TIMESTAMP WITH TIME ZONE,
        CONSTRAINT senders_pkey PRIMARY KEY (account_id),
        CONSTRAINT senders_account_id_fkey FOREIGN KEY (account_id) REFERENCES accounts (id)
    )
    """,
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
        url TEXT,
        orders BIGINT DEFAULT '0' NOT NULL,
        unattributed BIGINT DEFAULT '0' NOT NULL,
        foreign_currency BIGINT DEFAULT '0' NOT NULL,
        version BIGINT DEFAULT '0' NOT NULL,
        contacts_version BIGINT DEFAULT '0' NOT NULL,
        erased_at TIMESTAMP WITH TIME ZONE,
        boards_due_at TIMESTAMP WITH TIME ZONE NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT sources_pkey PRIMARY KEY (account_id, id),
        CONSTRAINT sources_account_id_audience_id_fkey
            FOREIGN KEY (account_id, audience_id) REFERENCES audiences (account_id, id)
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
        CONSTRAINT boards_account_id_source_id_fkey
            FOREIGN KEY (account_id, source_id) REFERENCES sources (account_id, id),
        CONSTRAINT boards_account_id_source_id_kind_start_key
            UNIQUE (account_id, source_id, kind, start)
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
        marketing TEXT DEFAULT 'non_subscribed' NOT NULL
            CONSTRAINT customers_marketing_check CHECK (
                marketing in ('subscribed', 'unsubscribed', 'non_subscribed', 'cleaned')
            ),
        language TEXT,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT customers_pkey PRIMARY KEY (account_id, id),
        CONSTRAINT customers_account_id_source_id_fkey
            FOREIGN KEY (account_id, source_id) REFERENCES sources (account_id, id),
        CONSTRAINT customers_account_id_source_id_external_id_key
            UNIQUE (account_id, source_id, external_id)
    ) WITH (fillfactor = 80)
    """,
    "ALTER SEQUENCE customers_id_seq OWNED BY customers.id",
    "CREATE INDEX customers_account_id_source_id_id_idx ON customers (account_id, source_id, id)",
    "CREATE INDEX customers_email_idx ON customers (account_id, source_id, email text_pattern_ops, id)",
    """
    CREATE INDEX customers_name_idx ON customers (account_id, source_id,
    "left"(lower(NORMALIZE(ltrim(name))), 100) text_pattern_ops, id)
    """,
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
        CONSTRAINT imports_account_id_source_id_fkey
            FOREIGN KEY (account_id, source_id) REFERENCES sources (account_id, id)
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
        CONSTRAINT addresses_account_id_source_id_fkey
            FOREIGN KEY (account_id, source_id) REFERENCES sources (account_id, id),
        CONSTRAINT addresses_account_id_customer_id_fkey
            FOREIGN KEY (account_id, customer_id) REFERENCES customers (account_id, id)
    )
    """,
    "CREATE INDEX addresses_account_id_customer_id_idx ON addresses (account_id, customer_id)",
    "CREATE SEQUENCE consent_changes_id_seq",
    """
    CREATE TABLE consent_changes (
        account_id BIGINT NOT NULL,
        id BIGINT DEFAULT nextval('consent_changes_id_seq'::regclass) NOT NULL,
        customer_id BIGINT NOT NULL,
        marketing TEXT NOT NULL,
        changed_by TEXT NOT NULL,
        changed_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT consent_changes_pkey PRIMARY KEY (account_id, id),
        CONSTRAINT consent_changes_account_id_customer_id_fkey
            FOREIGN KEY (account_id, customer_id) REFERENCES customers (account_id, id)
    )
    """,
    "ALTER SEQUENCE consent_changes_id_seq OWNED BY consent_changes.id",
    "CREATE INDEX consent_changes_account_id_customer_id_idx ON consent_changes (account_id, customer_id)",
    "CREATE SEQUENCE messages_id_seq",
    """
    CREATE TABLE messages (
        account_id BIGINT NOT NULL,
        id BIGINT DEFAULT nextval('messages_id_seq'::regclass) NOT NULL,
        customer_id BIGINT,
        kind TEXT NOT NULL
            CONSTRAINT messages_kind_check CHECK (
                kind in ('marketing', 'transactional')
            ),
        language TEXT NOT NULL,
        template TEXT,
        subject TEXT,
        text TEXT,
        html TEXT,
        provider_id TEXT,
        message_id TEXT NOT NULL,
        status TEXT DEFAULT 'queued' NOT NULL
            CONSTRAINT messages_status_check CHECK (
                status in ('queued', 'sending', 'sent', 'delivered', 'bounced', 'complained', 'failed',
                'cancelled', 'held')
            ),
        reason TEXT,
        attempts BIGINT DEFAULT '0' NOT NULL,
        crashes BIGINT DEFAULT '0' NOT NULL,
        maybe_duplicate BOOLEAN DEFAULT false NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        due_at TIMESTAMP WITH TIME ZONE,
        first_tried_at TIMESTAMP WITH TIME ZONE,
        sent_at TIMESTAMP WITH TIME ZONE,
        settled_at TIMESTAMP WITH TIME ZONE,
        lease BIGINT,
        CONSTRAINT messages_pkey PRIMARY KEY (account_id, id),
        CONSTRAINT messages_account_id_fkey FOREIGN KEY (account_id) REFERENCES accounts (id),
        CONSTRAINT messages_account_id_customer_id_fkey
            FOREIGN KEY (account_id, customer_id) REFERENCES customers (account_id, id)
    )
    """,
    "ALTER SEQUENCE messages_id_seq OWNED BY messages.id",
    "CREATE INDEX messages_account_id_created_at_id_idx ON messages (account_id, created_at, id)",
    """
    CREATE INDEX messages_account_id_customer_id_created_at_id_idx ON messages (account_id, customer_id,
    created_at, id)
    """,
    """
    CREATE INDEX messages_account_id_status_created_at_id_idx ON messages (account_id, status, created_at, id)
    """,
    "CREATE INDEX messages_due_idx ON messages (account_id, due_at) WHERE due_at IS NOT NULL",
    "CREATE INDEX messages_held_idx ON messages (account_id, id) WHERE status = 'held'",
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
        erased_at TIMESTAMP WITH TIME ZONE,
        spend BIGINT GENERATED ALWAYS AS (
            CASE WHEN status >= 'partially_paid'::order_status AND status <= 'partially_refunded'::order_status
                 AND customer_id IS NOT NULL AND foreign_currency IS NULL AND NOT test AND deleted_at IS NULL
                 AND NOT (total > 0 AND refunded >= total) THEN greatest(total - refunded, 0) END
        ) STORED,
        CONSTRAINT orders_pkey PRIMARY KEY (account_id, source_id, order_id),
        CONSTRAINT orders_account_id_source_id_fkey
            FOREIGN KEY (account_id, source_id) REFERENCES sources (account_id, id),
        CONSTRAINT orders_account_id_customer_id_fkey
            FOREIGN KEY (account_id, customer_id) REFERENCES customers (account_id, id)
    )
    """,
    "CREATE INDEX orders_by_customer_idx ON orders (account_id, customer_id, ordered_at)",
    """
    CREATE INDEX orders_purchases_idx ON orders (account_id, source_id, ordered_at)
        INCLUDE (customer_id, spend)
        WHERE spend IS NOT NULL
    """,
    "CREATE SEQUENCE message_attempts_id_seq",
    """
    CREATE TABLE message_attempts (
        account_id BIGINT NOT NULL,
        id BIGINT DEFAULT nextval('message_attempts_id_seq'::regclass) NOT NULL,
        message_id BIGINT NOT NULL,
        started_at TIMESTAMP WITH TIME ZONE NOT NULL,
        ended_at TIMESTAMP WITH TIME ZONE NOT NULL,
        outcome TEXT NOT NULL
            CONSTRAINT message_attempts_outcome_check CHECK (
                outcome in ('accepted', 'refused', 'deferred', 'misconfigured')
            ),
        code TEXT NOT NULL,
        detail TEXT NOT NULL,
        CONSTRAINT message_attempts_pkey PRIMARY KEY (account_id, id),
        CONSTRAINT message_attempts_account_id_message_id_fkey
            FOREIGN KEY (account_id, message_id) REFERENCES messages (account_id, id)
    )
    """,
    "ALTER SEQUENCE message_attempts_id_seq OWNED BY message_attempts.id",
    """
    CREATE INDEX message_attempts_account_id_message_id_id_idx ON message_attempts (account_id, message_id, id)
    """,
)

DOWNGRADE = (
    "DROP TABLE message_attempts",
    "DROP TABLE orders",
    "DROP TABLE messages",
    "DROP TABLE consent_changes",
    "DROP TABLE addresses",
    "DROP TABLE imports",
    "DROP TABLE customers",
    "DROP TABLE boards",
    "DROP TABLE sources",
    "DROP TABLE senders",
    "DROP TABLE idempotency_keys",
    "DROP TABLE audiences",
    "DROP TABLE api_keys",
    "DROP TABLE standings",
    "DROP TABLE standing_cells",
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
