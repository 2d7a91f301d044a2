"""Message tables: the queue of e-mails, and the outcome of each attempt."""

import sqlalchemy as sa

from app.tenancy import INSTANT, account_reference, one_of, row_reference, serial_id, tenant_table
from app.vocabulary import AttemptOutcome, MessageKind, MessageStatus

messages = tenant_table(
    "messages",
    serial_id("messages"),
    # NULL once the recipient was erased, and so is what was written to them.
    sa.Column("customer_id", sa.BigInteger),
    sa.Column("kind", sa.Text, one_of("kind", MessageKind), nullable=False),
    sa.Column("language", sa.Text, nullable=False),
    sa.Column("template", sa.Text),
    sa.Column("subject", sa.Text),
    sa.Column("text", sa.Text),
    sa.Column("html", sa.Text),
    # The provider's own id of the mail.
    sa.Column("provider_id", sa.Text),
    # The header of that name: every copy has the same one, whatever happens in between.
    sa.Column("message_id", sa.Text, nullable=False),
    sa.Column("status", sa.Text, one_of("status", MessageStatus), nullable=False, server_default="queued"),
    # Why it was cancelled, has failed or is held.
    sa.Column("reason", sa.Text),
    sa.Column("attempts", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("crashes", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("maybe_duplicate", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("created_at", INSTANT, nullable=False),
    # When a worker may claim it: the next attempt, or the end of the lease of the worker that has it.
    sa.Column("due_at", INSTANT),
    sa.Column("first_tried_at", INSTANT),
    sa.Column("sent_at", INSTANT),
    sa.Column("settled_at", INSTANT),
    # Fences off a worker that has lost its lease: another one has drawn another number.
    sa.Column("lease", sa.BigInteger),
    # The key of the address that it went to, see `suppressions`: the recipient may have another one by now.
    sa.Column("address_hash", sa.LargeBinary),
    account_reference(),
    row_reference("customer_id", "customers"),
    sa.Index("messages_due_idx", "account_id", "due_at", postgresql_where=sa.text("due_at IS NOT NULL")),
    sa.Index("messages_held_idx", "account_id", "id", postgresql_where=sa.text("status = 'held'")),
    sa.Index(None, "account_id", "created_at", "id"),
    sa.Index(None, "account_id", "customer_id", "created_at", "id"),
    sa.Index(None, "account_id", "status", "created_at", "id"),
    key=("id",),
)

message_attempts = tenant_table(
    "message_attempts",
    serial_id("message_attempts"),
    sa.Column("message_id", sa.BigInteger, nullable=False),
    sa.Column("started_at", INSTANT, nullable=False),
    sa.Column("ended_at", INSTANT, nullable=False),
    sa.Column("outcome", sa.Text, one_of("outcome", AttemptOutcome), nullable=False),
    sa.Column("code", sa.Text, nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
    row_reference("message_id", "messages"),
    sa.Index(None, "account_id", "message_id", "id"),
    key=("id",),
)
