"""Customer statements: customers of orders, the addresses that belong to them, and merging."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import text

from app import tables


class Owner(NamedTuple):
    """A customer who is known by an address, or by the store's id of somebody merged into them."""

    external_id: str | None
    email: str | None
    customer_id: int


SELECT_OWNERS = text("""
    SELECT NULL AS external_id, email, customer_id
    FROM addresses
    WHERE account_id = :account_id AND source_id = :source_id AND email = ANY(cast(:addresses AS text[]))
    UNION ALL
    SELECT external_id, NULL, heir_id
    FROM merged_customers
    WHERE account_id = :account_id AND source_id = :source_id AND external_id = ANY(cast(:external_ids AS text[]))
""")


class KnownCustomer(NamedTuple):
    """What is stored of a customer."""

    id: int
    external_id: str | None
    email: str | None
    name: str | None
    first_name: str | None
    last_name: str | None
    language: str | None
    marketing: str
    email_at: datetime | None
    name_at: datetime | None
    language_at: datetime | None
    marketing_weight: str | None
    marketing_at: datetime | None


KNOWN_COLUMNS = tuple(name for name in KnownCustomer._fields if name != "id")
"""The columns that are written as they are known."""


def given_customers(*more: str, only: tuple[str, ...] = KNOWN_COLUMNS) -> str:
    """SQL: the parameters, an array per column, as rows."""
    columns = (*more, *only)
    arrays = ", ".join(f"cast(:{name} AS {tables.array_type(tables.customers.c[name])})" for name in columns)
    return f"unnest({arrays}) AS n ({', '.join(columns)})"


SELECT_KNOWN_CUSTOMERS = text(f"""
    SELECT c.id, {", ".join(f"c.{name}" for name in KNOWN_COLUMNS)}
    FROM unnest(cast(:external_ids AS text[])) AS n (external_id)
    JOIN customers AS c
      ON c.account_id = :account_id AND c.source_id = :source_id AND c.external_id = n.external_id
    UNION ALL
    SELECT c.id, {", ".join(f"c.{name}" for name in KNOWN_COLUMNS)}
    FROM unnest(cast(:ids AS bigint[])) AS n (id)
    JOIN customers AS c ON c.account_id = :account_id AND c.source_id = :source_id AND c.id = n.id
""")
"""The customers with these external ids, and those with these ids; some come twice.

Two joins: with two arrays in an OR, a plan for all sources would compare every customer with every element.
"""


class NewCustomer(NamedTuple):
    """A customer who has just been stored."""

    id: int
    external_id: str | None
    email: str | None


INSERT_CUSTOMERS = text(f"""
    INSERT INTO customers (account_id, source_id, created_at, {", ".join(KNOWN_COLUMNS)})
    SELECT cast(:account_id AS bigint), cast(:source_id AS bigint), cast(:now AS timestamptz),
           {", ".join(f"n.{name}" for name in KNOWN_COLUMNS)}
    FROM {given_customers()}
    RETURNING id, external_id, email
""")

UPDATE_CUSTOMERS = text(f"""
    UPDATE customers AS c
    SET {", ".join(f"{name} = n.{name}" for name in KNOWN_COLUMNS)}
    FROM {given_customers("id")}
    WHERE c.account_id = :account_id AND c.source_id = :source_id AND c.id = n.id
""")
"""Customers whose contact data or choice are other ones now."""

DATE_COLUMNS = ("email_at", "name_at", "language_at", "marketing_weight", "marketing_at")
"""How new, and how weighty, what is known of a customer is."""

UPDATE_DATES = text(f"""
    UPDATE customers AS c
    SET {", ".join(f"{name} = n.{name}" for name in DATE_COLUMNS)}
    FROM {given_customers("id", only=DATE_COLUMNS)}
    WHERE c.account_id = :account_id AND c.source_id = :source_id AND c.id = n.id
""")
"""Customers who said the same again, later: most of those who buy again."""

INSERT_TOLD_CONSENTS = text("""
    INSERT INTO consent_changes (account_id, customer_id, marketing, changed_by, changed_at)
    SELECT cast(:account_id AS bigint), n.customer_id, n.marketing, cast(:changed_by AS text), n.changed_at
    FROM unnest(cast(:customers AS bigint[]), cast(:marketings AS text[]), cast(:changeds_at AS timestamptz[]))
         AS n (customer_id, marketing, changed_at)
""")

UPSERT_ADDRESS_OWNERS = text("""
    INSERT INTO addresses AS a (account_id, source_id, email, customer_id)
    SELECT cast(:account_id AS bigint), cast(:source_id AS bigint), n.email, n.customer_id
    FROM unnest(cast(:addresses AS text[]), cast(:customers AS bigint[])) AS n (email, customer_id)
    ON CONFLICT (account_id, source_id, email) DO UPDATE SET customer_id = excluded.customer_id
""")

REASSIGN_GUEST_ORDERS = text("""
    UPDATE orders AS o
    SET customer_id = n.heir
    FROM unnest(cast(:addresses AS text[]), cast(:owners AS bigint[]), cast(:heirs AS bigint[]))
         AS n (email, owner, heir)
    WHERE o.account_id = :account_id AND o.source_id = :source_id
      AND o.customer_id = n.owner AND o.guest_email = n.email
""")
"""Orders that name an address alone go to its new owner."""

LOCK_MERGED_CUSTOMERS = text("""
    SELECT id FROM customers
    WHERE account_id = :account_id AND source_id = :source_id AND id = ANY(cast(:ids AS bigint[]))
    ORDER BY id
    FOR UPDATE
""")
"""Locks the customers about to be merged; waits for requests that are queueing messages to them."""

REASSIGN_CONSENT_CHANGES = text("""
    UPDATE consent_changes AS h
    SET customer_id = n.heir
    FROM unnest(cast(:ids AS bigint[]), cast(:heirs AS bigint[])) AS n (id, heir)
    WHERE h.account_id = :account_id AND h.customer_id = n.id
""")

LOCK_MESSAGES = text("""
    SELECT id FROM messages
    WHERE account_id = :account_id AND customer_id = ANY(cast(:ids AS bigint[]))
    ORDER BY id
    FOR NO KEY UPDATE
""")
"""Locks the messages of these customers in the order of their ids, as a worker does that settles several at once."""

REASSIGN_MESSAGES = text("""
    UPDATE messages AS m
    SET customer_id = n.heir
    FROM unnest(cast(:ids AS bigint[]), cast(:heirs AS bigint[])) AS n (id, heir)
    WHERE m.account_id = :account_id AND m.customer_id = n.id
""")

REASSIGN_MERGED_CUSTOMERS = text("""
    UPDATE merged_customers AS w
    SET heir_id = n.heir
    FROM unnest(cast(:ids AS bigint[]), cast(:heirs AS bigint[])) AS n (id, heir)
    WHERE w.account_id = :account_id AND w.heir_id = n.id
""")
"""Those who were merged into these customers before have the same heirs now."""

INSERT_MERGED_CUSTOMERS = text("""
    INSERT INTO merged_customers (account_id, id, source_id, external_id, heir_id, merged_at)
    SELECT c.account_id, c.id, c.source_id, c.external_id, n.heir, cast(:now AS timestamptz)
    FROM unnest(cast(:ids AS bigint[]), cast(:heirs AS bigint[])) AS n (id, heir)
    JOIN customers AS c ON c.account_id = :account_id AND c.id = n.id
""")

DELETE_MERGED_CUSTOMERS = text("""
    DELETE FROM customers
    WHERE account_id = :account_id AND source_id = :source_id AND id = ANY(cast(:ids AS bigint[]))
""")

# ---------------------------------------------------------------- merging by request

REASSIGN_ADDRESSES_OF_CUSTOMER = text("""
    UPDATE addresses SET customer_id = :heir WHERE account_id = :account_id AND customer_id = :customer_id
""")

REASSIGN_ORDERS_OF_CUSTOMER = text("""
    UPDATE orders SET customer_id = :heir
    WHERE account_id = :account_id AND source_id = :source_id AND customer_id = :customer_id
""")
