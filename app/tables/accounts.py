"""Account tables: accounts, their keys and limits, the sender, suppressed addresses, and answers that are kept."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from app.tenancy import INSTANT, account_reference, metadata, one_of, row_reference, serial_id, tenant_table
from app.vocabulary import AuditAction, DeletedNoun, Limit, MessageKind, Plan

accounts = sa.Table(
    "accounts",
    metadata,
    serial_id("accounts"),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("plan", sa.Text, one_of("plan", Plan), nullable=False),
    # Signs cursors and unsubscribe links. Replicas share it, and no other account's cursor fits.
    sa.Column("cursor_secret", sa.LargeBinary, nullable=False),
    sa.Column("created_at", INSTANT, nullable=False),
    # While it is set, no key of the account opens anything and nothing is sent.
    sa.Column("closed_at", INSTANT),
    # Once it is set, the account is unknown everywhere, and the worker removes its rows.
    sa.Column("deleted_at", INSTANT),
    sa.Index("accounts_deleted_idx", "deleted_at", postgresql_where=sa.text("deleted_at IS NOT NULL")),
    sa.PrimaryKeyConstraint("id"),
)

api_keys = tenant_table(
    "api_keys",
    serial_id("api_keys"),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("scopes", ARRAY(sa.Text), nullable=False),
    sa.Column("hash", sa.LargeBinary, nullable=False),
    sa.Column("created_at", INSTANT, nullable=False),
    sa.Column("revoked_at", INSTANT),
    account_reference(),
    sa.UniqueConstraint("account_id", "hash"),
    key=("id",),
)

# The requests of a key in the present minute, counted for all processes.
rate_windows = tenant_table(
    "rate_windows",
    sa.Column("key_id", sa.BigInteger, nullable=False),
    sa.Column("limit_name", sa.Text, one_of("limit_name", Limit), nullable=False),
    sa.Column("began_at", INSTANT, nullable=False),
    sa.Column("taken", sa.BigInteger, nullable=False),
    # The block that was leased last; the process that leased it reads it from there.
    sa.Column("leased", sa.BigInteger, nullable=False),
    row_reference("key_id", "api_keys"),
    key=("key_id", "limit_name"),
)

# The requests of a browser token in a minute; the worker deletes those of past minutes.
token_windows = tenant_table(
    "token_windows",
    sa.Column("key_id", sa.BigInteger, nullable=False),
    sa.Column("token_id", sa.BigInteger, nullable=False),
    sa.Column("limit_name", sa.Text, one_of("limit_name", Limit), nullable=False),
    sa.Column("began_at", INSTANT, nullable=False),
    sa.Column("taken", sa.BigInteger, nullable=False),
    sa.Column("leased", sa.BigInteger, nullable=False),
    row_reference("key_id", "api_keys"),
    sa.Index(None, "began_at"),
    key=("key_id", "token_id", "limit_name"),
)

# Who an account's mails are from where their store does not say it (then these columns are NULL), and the pace of its
# sending; an account without a row sends none.
senders = tenant_table(
    "senders",
    sa.Column("name", sa.Text),
    sa.Column("email", sa.Text),
    sa.Column("postal_address", sa.Text),
    sa.Column("reply_to", sa.Text),
    # Why sending is paused.
    sa.Column("paused_because", sa.Text),
    # The sending rate: what was sent so far has used up the time until then.
    sa.Column("rate_used_until", INSTANT, nullable=False),
    # After a refused login the messages wait until then.
    sa.Column("paused_until", INSTANT),
    account_reference(),
    key=(),
)

# The domains that an account sends from. One that is verified belongs to no other account; who gives a domain to an
# account sees to it, because no key may be unique over accounts.
sender_domains = tenant_table(
    "sender_domains",
    sa.Column("domain", sa.Text, nullable=False),
    # What the TXT record of the domain must hold.
    sa.Column("token", sa.Text, nullable=False),
    sa.Column("created_at", INSTANT, nullable=False),
    sa.Column("verified_at", INSTANT),
    account_reference(),
    sa.Index(None, "domain"),
    key=("domain",),
)

# The mails that an account has queued on a day, for its caps.
daily_mails = tenant_table(
    "daily_mails",
    sa.Column("kind", sa.Text, one_of("kind", MessageKind), nullable=False),
    sa.Column("day", sa.Date, nullable=False),
    sa.Column("queued", sa.BigInteger, nullable=False),
    account_reference(),
    key=("kind",),
)

SUPPRESSED_BECAUSE = (
    "CASE WHEN dead_at >= coalesce(opted_in_at, '-infinity'::timestamptz) THEN 'dead'"
    " WHEN complained_at >= coalesce(opted_in_at, '-infinity'::timestamptz) THEN 'complained'"
    " WHEN left_at >= coalesce(opted_in_at, '-infinity'::timestamptz) THEN 'left' END"
)
"""Why an address must not be written to; NULL when its last word is that it agrees: the one definition of this."""

# What the account knows of an e-mail address, for every customer who has it: its owner has left or complained, or it
# takes no mail.
suppressions = tenant_table(
    "suppressions",
    # The key outlives the address itself, which goes when its person is erased.
    sa.Column("address_hash", sa.LargeBinary, nullable=False),
    sa.Column("email", sa.Text),
    # When it happened last, and by what: a key's public id, `operator`, `unsubscribe`, `complaint` or `bounce`.
    sa.Column("left_at", INSTANT),
    sa.Column("left_by", sa.Text),
    sa.Column("complained_at", INSTANT),
    sa.Column("complained_by", sa.Text),
    sa.Column("dead_at", INSTANT),
    sa.Column("dead_by", sa.Text),
    # When its owner has agreed to offers, explicitly: what is older no longer holds.
    sa.Column("opted_in_at", INSTANT),
    sa.Column("opted_in_by", sa.Text),
    sa.Column("reason", sa.Text, sa.Computed(SUPPRESSED_BECAUSE, persisted=True)),
    account_reference(),
    key=("address_hash",),
)

# The answer to a request with an Idempotency-Key, stored in the transaction of its effect.
idempotency_keys = tenant_table(
    "idempotency_keys",
    sa.Column("operation", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("fingerprint", sa.LargeBinary, nullable=False),
    sa.Column("status", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("location", sa.Text),
    sa.Column("answer", sa.Text),
    sa.Column("created_at", INSTANT, nullable=False),
    account_reference(),
    sa.Index(None, "created_at"),
    key=("operation", "key"),
)

# What the operator and admin keys have done, for good; it holds neither keys nor a person's data.
audit_entries = tenant_table(
    "audit_entries",
    serial_id("audit_entries"),
    sa.Column("at", INSTANT, nullable=False),
    # A key's public id, `operator`, or `command` for one of the operator's commands.
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("action", sa.Text, one_of("action", AuditAction), nullable=False),
    # A JSON object: the key, the plan, …
    sa.Column("about", sa.Text, nullable=False),
    account_reference(),
    key=("id",),
)

# What was deleted, and when the last row of it was gone. It holds nothing else, and outlives the account.
deletions = tenant_table(
    "deletions",
    sa.Column("noun", sa.Text, one_of("noun", DeletedNoun), nullable=False),
    # The id of what was deleted.
    sa.Column("number", sa.BigInteger, nullable=False),
    # A key's public id, or `operator`.
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("asked_at", INSTANT, nullable=False),
    sa.Column("gone_at", INSTANT),
    key=("noun", "number"),
)
