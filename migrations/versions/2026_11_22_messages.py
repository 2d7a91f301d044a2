"""Messages: the outbox with its attempts, who an account's e-mails are from, and what was answered to repeated requests.

Why: e-mails to customers, never lost.
Locks: a new nullable column takes ACCESS EXCLUSIVE on customers for an instant.
Takes: an instant.
Old app: works on, it names its columns; it knows no messages, so erase nobody with it once one was sent.
Undo: drops messages, senders and the remembered answers; what was queued is not sent.
"""

from alembic import op

revision = "2026_11_22_messages"
down_revision = "2026_11_22_spend_index"
branch_labels = None
depends_on = None

SENDERS = """
    CREATE TABLE senders (
        account_id BIGINT NOT NULL,
        name TEXT NOT NULL,
        email TEXT NOT NULL,
        reply_to TEXT,
        postal_address TEXT NOT NULL,
        rate_used_until TIMESTAMP WITH TIME ZONE NOT NULL,
        paused_until TIMESTAMP WITH TIME ZONE,
        paused_because TEXT,
        CONSTRAINT senders_pkey PRIMARY KEY (account_id),
        CONSTRAINT senders_account_id_fkey FOREIGN KEY (account_id) REFERENCES accounts (id)
    )
"""

IDEMPOTENCY_KEYS = """
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
        CONSTRAINT idempotency_keys_account_id_fkey FOREIGN KEY (account_id) REFERENCES accounts (id)
    )
"""

MESSAGES = """
    CREATE TABLE messages (
        account_id BIGINT NOT NULL,
        id BIGINT DEFAULT nextval('messages_id_seq'::regclass) NOT NULL,
        customer_id BIGINT,
        kind TEXT NOT NULL CONSTRAINT messages_kind_check CHECK (kind in ('marketing', 'transactional')),
        language TEXT NOT NULL,
        template TEXT,
        subject TEXT,
        text TEXT,
        html TEXT,
        message_id TEXT NOT NULL,
        status TEXT DEFAULT 'queued' NOT NULL CONSTRAINT messages_status_check CHECK (status in (
            'queued', 'sending', 'sent', 'delivered', 'bounced', 'complained', 'failed', 'cancelled', 'held')),
        reason TEXT,
        attempts BIGINT DEFAULT '0' NOT NULL,
        crashes BIGINT DEFAULT '0' NOT NULL,
        maybe_duplicate BOOLEAN DEFAULT false NOT NULL,
        provider_id TEXT,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        due_at TIMESTAMP WITH TIME ZONE,
        first_tried_at TIMESTAMP WITH TIME ZONE,
        sent_at TIMESTAMP WITH TIME ZONE,
        settled_at TIMESTAMP WITH TIME ZONE,
        lease BIGINT,
        CONSTRAINT messages_pkey PRIMARY KEY (account_id, id),
        CONSTRAINT messages_account_id_fkey FOREIGN KEY (account_id) REFERENCES accounts (id),
        CONSTRAINT messages_account_id_customer_id_fkey FOREIGN KEY (account_id, customer_id)
            REFERENCES customers (account_id, id)
    )
"""

MESSAGE_ATTEMPTS = """
    CREATE TABLE message_attempts (
        account_id BIGINT NOT NULL,
        id BIGINT DEFAULT nextval('message_attempts_id_seq'::regclass) NOT NULL,
        message_id BIGINT NOT NULL,
        started_at TIMESTAMP WITH TIME ZONE NOT NULL,
        ended_at TIMESTAMP WITH TIME ZONE NOT NULL,
        outcome TEXT NOT NULL CONSTRAINT message_attempts_outcome_check CHECK (outcome in (
            'accepted', 'refused', 'deferred', 'misconfigured')),
        code TEXT NOT NULL,
        detail TEXT NOT NULL,
        CONSTRAINT message_attempts_pkey PRIMARY KEY (account_id, id),
        CONSTRAINT message_attempts_account_id_message_id_fkey FOREIGN KEY (account_id, message_id)
            REFERENCES messages (account_id, id)
    )
"""

INDEXES = {
    "idempotency_keys_created_at_idx": "idempotency_keys (created_at)",
    "messages_account_id_created_at_id_idx": "messages (account_id, created_at, id)",
    "messages_account_id_customer_id_created_at_id_idx": "messages (account_id, customer_id, created_at, id)",
    "messages_account_id_status_created_at_id_idx": "messages (account_id, status, created_at, id)",
    "messages_due_idx": "messages (account_id, due_at) WHERE due_at IS NOT NULL",
    "messages_held_idx": "messages (account_id, id) WHERE status = 'held'",
    "message_attempts_account_id_message_id_id_idx": "message_attempts (account_id, message_id, id)",
}


def upgrade() -> None:
    """Create the tables, empty."""
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.execute("SET LOCAL statement_timeout = '10s'")
    op.execute("ALTER TABLE customers ADD COLUMN language TEXT")
    op.execute(SENDERS)
    op.execute(IDEMPOTENCY_KEYS)
    for table, created in (("messages", MESSAGES), ("message_attempts", MESSAGE_ATTEMPTS)):
        op.execute(f"CREATE SEQUENCE {table}_id_seq")
        op.execute(created)
        op.execute(f"ALTER SEQUENCE {table}_id_seq OWNED BY {table}.id")
    for name, columns in INDEXES.items():
        op.execute(f"CREATE INDEX {name} ON {columns}")


def downgrade() -> None:
    """Drop them."""
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.execute("SET LOCAL statement_timeout = '10s'")
    for table in ("message_attempts", "messages", "idempotency_keys", "senders"):
        op.execute(f"DROP TABLE {table}")
    op.execute("ALTER TABLE customers DROP COLUMN language")
