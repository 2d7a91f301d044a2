"""Contacts: first and last names, and how much a customer's choice about offers weighs.

Why: consent and names come in with orders, files and lists, and the stronger and newer statement counts.
Locks: customers for a moment; the choices that were made are filled in afterwards.
Takes: about ten seconds per million customers with a history of consent.
Old app: works on; choices that it changes meanwhile weigh as before.
Undo: drops the columns and what they hold.
"""

from alembic import op

revision = "2026_11_28_0041_contacts"
down_revision = "2026_11_28_0040_suppressions"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; every choice so far was explicit."""
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.execute("SET LOCAL statement_timeout = '10s'")
    op.execute("""
        ALTER TABLE customers
            ADD COLUMN first_name TEXT,
            ADD COLUMN last_name TEXT,
            ADD COLUMN language_at TIMESTAMP WITH TIME ZONE,
            ADD COLUMN marketing_weight TEXT,
            ADD COLUMN marketing_at TIMESTAMP WITH TIME ZONE
    """)
    op.execute("""
        ALTER TABLE customers ADD CONSTRAINT customers_marketing_weight_check
        CHECK (marketing_weight in ('hint', 'dated', 'explicit')) NOT VALID
    """)
    op.execute("SET LOCAL statement_timeout = '30min'")
    op.execute("""
        UPDATE customers AS c
        SET marketing_weight = 'explicit', marketing_at = h.changed_at
        FROM (SELECT account_id, customer_id, max(changed_at) AS changed_at
              FROM consent_changes WHERE marketing <> 'cleaned' GROUP BY account_id, customer_id) AS h
        WHERE c.account_id = h.account_id AND c.id = h.customer_id
    """)
    # In a transaction of its own: it reads all rows, and nobody may wait for it.
    with op.get_context().autocommit_block():
        op.execute("ALTER TABLE customers VALIDATE CONSTRAINT customers_marketing_weight_check")


def downgrade() -> None:
    """Drop the columns."""
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.execute("SET LOCAL statement_timeout = '10s'")
    op.execute("""
        ALTER TABLE customers
            DROP COLUMN first_name,
            DROP COLUMN last_name,
            DROP COLUMN language_at,
            DROP COLUMN marketing_weight,
            DROP COLUMN marketing_at
    """)
