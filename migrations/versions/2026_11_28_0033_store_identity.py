"""Store identity: who a store's mails are from, in which language, and what their footer says.

Why: two stores of one account write in their own names; the account's sender is the fallback.
Locks: sources and senders for milliseconds.
Takes: milliseconds.
Old app: works on, but writes in the name of the account, and cannot send where only stores have a sender; set those
    once it is gone.
Undo: drops the identities of stores; accounts that have no sender of their own send nothing.
"""

from alembic import op

revision = "2026_11_28_0033_store_identity"
down_revision = "2026_11_28_0030_order_listing"
branch_labels = None
depends_on = None

COLUMNS = ("sender_name", "sender_email", "sender_reply_to", "postal_address", "language", "consent_sentence")
SENDER = ("name", "email", "postal_address")


def upgrade() -> None:
    """Add the columns, and let an account be without a sender of its own."""
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.execute("SET LOCAL statement_timeout = '10s'")
    for column in COLUMNS:
        op.execute(f"ALTER TABLE sources ADD COLUMN {column} TEXT")
    for column in SENDER:
        # What reads senders knows that one may be without.
        op.execute(f"-- squawk-ignore ban-drop-not-null\nALTER TABLE senders ALTER COLUMN {column} DROP NOT NULL")


def downgrade() -> None:
    """Drop the columns, and the senders that are not whole."""
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.execute("SET LOCAL statement_timeout = '10s'")
    op.execute("DELETE FROM senders WHERE name IS NULL OR email IS NULL OR postal_address IS NULL")
    for column in SENDER:
        op.execute(f"ALTER TABLE senders ALTER COLUMN {column} SET NOT NULL")
    for column in COLUMNS:
        op.execute(f"ALTER TABLE sources DROP COLUMN {column}")
