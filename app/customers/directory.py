"""Directory: statements that find a source's customers and keep what they agreed to."""

from functools import cache

from sqlalchemy import TextClause, text

CONTACT = """
    c.id, c.source_id, c.external_id, c.name, c.email, c.marketing, c.created_at
"""

ONE = text(f"""
    SELECT {CONTACT}
    FROM customers AS c
    WHERE c.account_id = :account_id AND c.id = :customer_id
""")
"""One customer."""

ONE_LOCKED = text(f"""
    SELECT {CONTACT}
    FROM customers AS c
    WHERE c.account_id = :account_id AND c.id = :customer_id
    FOR UPDATE
""")
"""One customer whose consent or existence is about to change."""

BY_EXTERNAL_ID = f"""
    SELECT {CONTACT}, c.external_id AS matched FROM customers AS c
    WHERE c.account_id = :account_id AND c.source_id = :source_id AND c.external_id = :external_id
"""

BY_EMAIL = f"""
    SELECT {CONTACT}, a.email AS matched
    FROM addresses AS a JOIN customers AS c ON c.account_id = a.account_id AND c.id = a.customer_id
    WHERE a.account_id = :account_id AND a.source_id = :source_id AND a.email = :email
"""

EVERYONE = f"""
    SELECT {CONTACT}, '' AS matched FROM customers AS c
    WHERE c.account_id = :account_id AND c.source_id = :source_id AND c.id > :after_id
    ORDER BY c.id LIMIT cast(:limit AS bigint)
"""

# Both halves walk an index in the order of what matched, from where the page before ended.
BY_PREFIX = f"""
    (SELECT {CONTACT}, c.email AS matched FROM customers AS c
     WHERE c.account_id = :account_id AND c.source_id = :source_id
       AND c.email ~>=~ greatest(:low, :after) AND c.email ~<~ :high
       AND (c.email ~>~ :after OR c.id > :after_id)
     ORDER BY c.email USING ~<~, c.id LIMIT cast(:limit AS bigint))
    UNION ALL
    (SELECT {CONTACT}, lower(c.name) AS matched FROM customers AS c
     WHERE c.account_id = :account_id AND c.source_id = :source_id
       AND lower(c.name) ~>=~ greatest(:low, :after) AND lower(c.name) ~<~ :high
       AND (lower(c.name) ~>~ :after OR c.id > :after_id)
       AND (c.email IS NULL OR c.email ~<~ :low OR c.email ~>=~ :high)
     ORDER BY lower(c.name) USING ~<~, c.id LIMIT cast(:limit AS bigint))
    ORDER BY matched USING ~<~, id LIMIT cast(:limit AS bigint)
"""

FINDINGS = {"external_id": BY_EXTERNAL_ID, "email": BY_EMAIL, "q": BY_PREFIX, "": EVERYONE}


@cache
def found(by: str) -> TextClause:
    """Customers by `external_id`, by `email` (any they were seen with), by a prefix `q`, or all of them."""
    return text(FINDINGS[by])


CONSENTED = text("""
    UPDATE customers SET marketing = :marketing
    WHERE account_id = :account_id AND id = :customer_id
""")
"""Another consent."""

CONSENT_NOTED = text("""
    INSERT INTO consent_changes (account_id, customer_id, marketing, changed_by, changed_at)
    VALUES (:account_id, :customer_id, :marketing, :changed_by, :now)
""")
"""Who changed a consent, when and to what."""

CONSENT_HISTORY = text("""
    SELECT marketing, changed_by, changed_at FROM consent_changes
    WHERE account_id = :account_id AND customer_id = :customer_id
    ORDER BY id
""")
"""Every change of a customer's consent, oldest first."""

CONTACTS_CHANGED = text("""
    UPDATE sources SET version = version + 1, contacts_version = contacts_version + 1
    WHERE account_id = :account_id AND id = :source_id
""")
"""Boards that show the customers of a source are no longer as they were."""

ADDRESSES = text("""
    SELECT email FROM addresses WHERE account_id = :account_id AND customer_id = :customer_id ORDER BY email
""")
"""The addresses whose orders are this customer's."""

# ---------------------------------------------------------------- erasure

ORDERS_ANONYMISED = text("""
    UPDATE orders
    SET customer_id = NULL, guest_email = NULL, content_hash = 0, erased_at = :now
    WHERE account_id = :account_id AND source_id = :source_id AND customer_id = :customer_id
    RETURNING deleted_at IS NULL AS counted
""")
"""A person's orders without the person: figures of no one, which no later version gives an owner again."""

FORGOTTEN = tuple(
    text(f"DELETE FROM {table} WHERE account_id = :account_id AND {column} = :customer_id")
    for table, column in (
        ("consent_changes", "customer_id"),
        ("addresses", "customer_id"),
        ("customers", "id"),
    )
)
"""Everything else that is known of a person, gone."""
