"""Store tables: audiences, the stores in them, and the customers of a store."""

import sqlalchemy as sa

from app.tenancy import INSTANT, account_reference, one_of, row_reference, serial_id, tenant_table
from app.vocabulary import ChosenMarketing, ConsentWeight

FOLDED_NAME: sa.Label[str] = sa.literal_column('"left"(lower(NORMALIZE(ltrim(name))), 100)').label("folded_name")
"""A name as it is searched: without leading space, composed, in lower case, its first 100 characters."""

audiences = tenant_table(
    "audiences",
    serial_id("audiences"),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("created_at", INSTANT, nullable=False),
    account_reference(),
    key=("id",),
)

sources = tenant_table(
    "sources",
    serial_id("sources"),
    sa.Column("audience_id", sa.BigInteger, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("platform", sa.Text, nullable=False),
    sa.Column("currency", sa.Text, nullable=False),
    sa.Column("time_zone", sa.Text, nullable=False),
    sa.Column("week_start", sa.Text, nullable=False),
    # The address of the store on the web, which messages may show.
    sa.Column("url", sa.Text),
    # Counted with every write, under the lock of this row; `verify` counts them again.
    sa.Column("orders", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("unattributed", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("foreign_currency", sa.BigInteger, nullable=False, server_default="0"),
    # Raised with every change of an order, a contact or a setting: part of the ETags.
    sa.Column("version", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("contacts_version", sa.BigInteger, nullable=False, server_default="0"),
    # When a person was last erased: since then a version that changes nothing makes nobody known.
    sa.Column("erased_at", INSTANT),
    # When periods change next: the worker opens, moves and drops boards then.
    sa.Column("boards_due_at", INSTANT, nullable=False),
    sa.Column("created_at", INSTANT, nullable=False),
    # The totals of all orders that are not deleted, in minor units of whatever currency. Bounded, so that no sum over
    # orders leaves 64 bits.
    sa.Column("amounts", sa.Numeric, nullable=False, server_default=sa.text("0")),
    # Who the store's mails are from: the three are set together; without an e-mail the account's count.
    sa.Column("sender_name", sa.Text),
    sa.Column("sender_email", sa.Text),
    sa.Column("sender_reply_to", sa.Text),
    # The postal address in its footers; NULL is the account's.
    sa.Column("postal_address", sa.Text),
    # The language of messages to customers without one of their own.
    sa.Column("language", sa.Text),
    # Why a customer gets offers, as the footer says it; NULL is our own sentence.
    sa.Column("consent_sentence", sa.Text),
    # Once it is set, the source is unknown everywhere, and the worker removes its rows.
    sa.Column("deleted_at", INSTANT),
    row_reference("audience_id", "audiences"),
    sa.Index(None, "account_id", "audience_id"),
    sa.Index(None, "boards_due_at"),
    sa.Index("sources_deleted_idx", "deleted_at", postgresql_where=sa.text("deleted_at IS NOT NULL")),
    key=("id",),
)

customers = tenant_table(
    "customers",
    serial_id("customers"),
    sa.Column("source_id", sa.BigInteger, nullable=False),
    # The store's own id; NULL for a guest, who is known by the address alone.
    sa.Column("external_id", sa.Text),
    sa.Column("email", sa.Text),
    sa.Column("name", sa.Text),
    # How new the contact data are: data of an older order never replace those of a newer one.
    sa.Column("email_at", INSTANT),
    sa.Column("name_at", INSTANT),
    # What the person has chosen; what their address has said counts besides, see `suppressions`.
    sa.Column(
        "marketing", sa.Text, one_of("marketing", ChosenMarketing), nullable=False, server_default="non_subscribed"
    ),
    # The language of messages that name none; NULL is English.
    sa.Column("language", sa.Text),
    sa.Column("created_at", INSTANT, nullable=False),
    sa.Column("first_name", sa.Text),
    sa.Column("last_name", sa.Text),
    sa.Column("language_at", INSTANT),
    # What the choice about offers weighs, and when it was made; both NULL as long as nobody has told one.
    sa.Column("marketing_weight", sa.Text, one_of("marketing_weight", ConsentWeight)),
    sa.Column("marketing_at", INSTANT),
    row_reference("source_id", "sources"),
    sa.UniqueConstraint("account_id", "source_id", "external_id"),
    sa.Index(None, "account_id", "source_id", "id"),
    sa.Index(
        "customers_email_idx",
        "account_id",
        "source_id",
        "email",
        "id",
        postgresql_ops={"email": "text_pattern_ops"},
    ),
    sa.Index(
        "customers_name_idx",
        "account_id",
        "source_id",
        FOLDED_NAME,
        "id",
        postgresql_ops={"folded_name": "text_pattern_ops"},
    ),
    key=("id",),
)

consent_changes = tenant_table(
    "consent_changes",
    serial_id("consent_changes"),
    sa.Column("customer_id", sa.BigInteger, nullable=False),
    sa.Column("marketing", sa.Text, nullable=False),
    # A key's or an import's public id, or `unsubscribe`, `complaint` or `store`.
    sa.Column("changed_by", sa.Text, nullable=False),
    sa.Column("changed_at", INSTANT, nullable=False),
    row_reference("customer_id", "customers"),
    sa.Index(None, "account_id", "customer_id"),
    key=("id",),
)

# The owner of each e-mail address: orders that name the address alone are this customer's. Once an address was seen
# with an external id it stays that customer's, in whatever order things arrive.
addresses = tenant_table(
    "addresses",
    sa.Column("source_id", sa.BigInteger, nullable=False),
    sa.Column("email", sa.Text, nullable=False),
    sa.Column("customer_id", sa.BigInteger, nullable=False),
    row_reference("source_id", "sources"),
    row_reference("customer_id", "customers"),
    sa.Index(None, "account_id", "customer_id"),
    key=("source_id", "email"),
)

# Where customers have gone who were merged into another one: their ids still lead there, and so do later orders that
# name the store's id of theirs.
merged_customers = tenant_table(
    "merged_customers",
    sa.Column("id", sa.BigInteger, nullable=False),
    sa.Column("source_id", sa.BigInteger, nullable=False),
    sa.Column("external_id", sa.Text),
    sa.Column("heir_id", sa.BigInteger, nullable=False),
    sa.Column("merged_at", INSTANT, nullable=False),
    row_reference("source_id", "sources"),
    row_reference("heir_id", "customers"),
    sa.Index(None, "account_id", "heir_id"),
    sa.Index(None, "account_id", "source_id", "external_id"),
    key=("id",),
)
