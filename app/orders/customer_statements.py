"""Customer statements: customers of orders, the addresses that belong to them, and merging."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import text


class AddressOwner(NamedTuple):
    """An address and the customer it belongs to."""

    email: str
    customer_id: int


SELECT_ADDRESS_OWNERS = text("""
    SELECT email, customer_id
    FROM addresses
    WHERE account_id = :account_id AND source_id = :source_id AND email = ANY(cast(:addresses AS text[]))
""")


class KnownCustomer(NamedTuple):
    """What is stored of a customer."""

    id: int
    external_id: str | None
    email: str | None
    name: str | None
    email_at: datetime | None
    name_at: datetime | None


SELECT_KNOWN_CUSTOMERS = text("""
    SELECT id, external_id, email, name, email_at, name_at
    FROM customers
    WHERE account_id = :account_id AND source_id = :source_id
      AND (external_id = ANY(cast(:external_ids AS text[])) OR id = ANY(cast(:ids AS bigint[])))
""")
"""The customers with these external ids, and those with these ids."""


class NewCustomer(NamedTuple):
    """A customer who has just been stored."""

    id: int
    external_id: str | None
    email: str | None


INSERT_CUSTOMERS = text("""
    INSERT INTO customers (account_id, source_id, external_id, email, name, email_at, name_at, created_at)
    SELECT cast(:account_id AS bigint), cast(:source_id AS bigint),
           n.external_id, n.email, n.name, n.email_at, n.name_at, cast(:now AS timestamptz)
    FROM unnest(cast(:external_ids AS text[]), cast(:emails AS text[]), cast(:names AS text[]),
                cast(:emails_at AS timestamptz[]), cast(:names_at AS timestamptz[]))
         AS n (external_id, email, name, email_at, name_at)
    RETURNING id, external_id, email
""")

UPDATE_CUSTOMERS = text("""
    UPDATE customers AS c
    SET external_id = n.external_id, email = n.email, name = n.name, email_at = n.email_at, name_at = n.name_at
    FROM unnest(cast(:ids AS bigint[]), cast(:external_ids AS text[]), cast(:emails AS text[]),
                cast(:names AS text[]), cast(:emails_at AS timestamptz[]), cast(:names_at AS timestamptz[]))
         AS n (id, external_id, email, name, email_at, name_at)
    WHERE c.account_id = :account_id AND c.source_id = :source_id AND c.id = n.id
""")
"""Customers with other contact data, or whose external id has become known."""

SET_CONTACT_DATES = text("""
    UPDATE customers AS c
    SET email_at = n.email_at, name_at = n.name_at
    FROM unnest(cast(:ids AS bigint[]), cast(:emails_at AS timestamptz[]), cast(:names_at AS timestamptz[]))
         AS n (id, email_at, name_at)
    WHERE c.account_id = :account_id AND c.source_id = :source_id AND c.id = n.id
""")
"""Customers whose contact data a newer order has confirmed."""

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

INHERIT_MARKETING = text("""
    UPDATE customers AS c
    SET marketing = h.marketing
    FROM (SELECT DISTINCT ON (account_id, customer_id) account_id, customer_id, marketing
          FROM consent_changes
          WHERE account_id = :account_id AND customer_id = ANY(cast(:heirs AS bigint[]))
          ORDER BY account_id, customer_id, changed_at DESC, id DESC) AS h
    WHERE c.account_id = :account_id AND h.account_id = c.account_id AND c.id = h.customer_id
""")
"""After REASSIGN_CONSENT_CHANGES: the last change counts, whichever of the merged customers it was about."""

INHERIT_LANGUAGE = text("""
    UPDATE customers AS c
    SET language = g.language
    FROM (SELECT g.account_id, n.heir, min(g.language) AS language
          FROM unnest(cast(:ids AS bigint[]), cast(:heirs AS bigint[])) AS n (id, heir)
          JOIN customers AS g ON g.account_id = :account_id AND g.id = n.id
          GROUP BY g.account_id, n.heir) AS g
    WHERE c.account_id = :account_id AND g.account_id = c.account_id AND c.id = g.heir AND c.language IS NULL
""")
"""A customer without a language takes over that of the customers merged into them."""

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

DELETE_MERGED_CUSTOMERS = text("""
    DELETE FROM customers
    WHERE account_id = :account_id AND source_id = :source_id AND id = ANY(cast(:ids AS bigint[]))
""")
