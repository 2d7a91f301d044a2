"""Statements: a source's customers are found, their consent is kept, and a person is erased."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import NamedTuple

from sqlalchemy import TextClause, text

from app.boards.address_word import suppression_reason

CONTACT = f"""c.id, c.source_id, c.external_id, c.name, c.first_name, c.last_name, c.email, c.marketing,
        {suppression_reason("c.email")} AS suppressed, c.language, c.created_at"""


@dataclass(frozen=True, slots=True)
class Contact:
    """A customer's own fields; `marketing` is the person's choice, `suppressed` what the address has said."""

    id: int
    source_id: int
    external_id: str | None
    name: str | None
    first_name: str | None
    last_name: str | None
    email: str | None
    marketing: str
    suppressed: str | None
    language: str | None
    created_at: datetime


SELECT_CUSTOMER = text(f"""
    SELECT {CONTACT}
    FROM customers AS c JOIN sources AS s ON s.account_id = c.account_id AND s.id = c.source_id
    WHERE c.account_id = :account_id AND c.id = :customer_id AND s.deleted_at IS NULL
""")

# ---------------------------------------------------------------- finding


class FindBy(StrEnum):
    """What customers are found by; the values are the query parameters."""

    EXTERNAL_ID = "external_id"
    EMAIL = "email"
    PREFIX = "q"


@dataclass(frozen=True, slots=True)
class FoundCustomer(Contact):
    """A customer, and where the search stands: `matched` is the folded text that was found by a prefix."""

    matched: str


OF_SOURCE = "c.account_id = :account_id AND c.source_id = :source_id"
NEXT_BY_ID = "AND c.id > :after_id ORDER BY c.id LIMIT cast(:limit AS bigint)"

# PostgreSQL folds the stored name and the one that is looked for; addresses are stored as normal_form.py writes them.
# A name is found by its first 100 characters: the index and the cursor hold no more of it.
LAST_CHARACTER = "chr(1114111)"


def folded(name: str) -> str:
    """A name as it is compared: without leading space, in lower case."""
    return f'"left"(lower(normalize(ltrim({name}))), 100)'


def begins_with(column: str, prefix: str) -> str:
    """Whether a column begins with a prefix, in a form that its index answers."""
    return f"{column} ~>=~ {prefix} AND {column} ~<~ ({prefix} || {LAST_CHARACTER})"


EMAIL_MATCHES = begins_with("c.email", "cast(:address AS text)")
NAME_MATCHES = begins_with(folded("c.name"), folded("cast(:name AS text)"))


def scan_by(column: str, condition: str) -> str:
    """Two scans of a column's index after the last row: the rest with the same value, then greater values.

    One scan would begin at the first equal row, which is slow where many customers are called Guest.
    """
    return " UNION ALL ".join(
        f"""
        (SELECT {CONTACT}, {column} AS matched FROM customers AS c
         WHERE {OF_SOURCE} AND {condition} AND {behind}
         ORDER BY {column} USING ~<~, c.id LIMIT cast(:limit AS bigint))"""
        for behind in (f"{column} = :after AND c.id > :after_id", f"{column} ~>~ :after")
    )


@cache
def select_customers(by: FindBy | None) -> TextClause:
    """Customers by the store's id, by any address that they were seen with, by a prefix, or all of them."""
    if by is None:
        return text(f"SELECT {CONTACT}, '' AS matched FROM customers AS c WHERE {OF_SOURCE} {NEXT_BY_ID}")
    if by is FindBy.EXTERNAL_ID:
        return text(f"""
            SELECT {CONTACT}, '' AS matched FROM customers AS c
            WHERE {OF_SOURCE} AND c.external_id = :external_id {NEXT_BY_ID}
        """)
    if by is FindBy.EMAIL:
        return text(f"""
            SELECT {CONTACT}, '' AS matched FROM customers AS c
            WHERE {OF_SOURCE} AND c.email = :email AND c.id > :after_id
            UNION
            SELECT {CONTACT}, '' AS matched
            FROM addresses AS a JOIN customers AS c ON c.account_id = a.account_id AND c.id = a.customer_id
            WHERE a.account_id = :account_id AND a.source_id = :source_id AND a.email = :email AND c.id > :after_id
            ORDER BY id LIMIT cast(:limit AS bigint)
        """)
    return text(f"""
        {scan_by("c.email", EMAIL_MATCHES)}
        UNION ALL
        -- those who were found by their address are not found again by their name
        {scan_by(folded("c.name"), f"{NAME_MATCHES} AND ({EMAIL_MATCHES}) IS NOT TRUE")}
        ORDER BY matched USING ~<~, id LIMIT cast(:limit AS bigint)
    """)


SELECT_CUSTOMERS_BY_NAME = text(f"""
    {scan_by(folded("c.name"), f"{NAME_MATCHES} AND strpos(c.name, '@') = 0")}
    ORDER BY matched USING ~<~, id LIMIT cast(:limit AS bigint)
""")
"""Customers by a prefix, for those who may not see e-mail addresses: neither an answer nor its cursor tells one."""

# ---------------------------------------------------------------- consent


class LockedConsent(NamedTuple):
    """A customer's choice, and when it was made if it was explicit."""

    id: int
    marketing: str
    explicit_at: datetime | None


LOCK_CONSENTS = text("""
    SELECT c.id, c.marketing, CASE WHEN c.marketing_weight = 'explicit' THEN c.marketing_at END AS explicit_at
    FROM customers AS c
    WHERE c.account_id = :account_id AND c.id = ANY(cast(:customers AS bigint[]))
    ORDER BY c.id
    FOR UPDATE OF c
""")

SET_MARKETING = text("""
    UPDATE customers SET marketing = :marketing, marketing_weight = 'explicit', marketing_at = :now
    WHERE account_id = :account_id AND id = ANY(cast(:customers AS bigint[]))
""")

INSERT_CONSENT_CHANGES = text("""
    INSERT INTO consent_changes (account_id, customer_id, marketing, changed_by, changed_at)
    SELECT cast(:account_id AS bigint), n.customer_id, cast(:marketing AS text), cast(:changed_by AS text),
           cast(:now AS timestamptz)
    FROM unnest(cast(:customers AS bigint[])) AS n (customer_id)
""")


class ConsentChange(NamedTuple):
    """A change of a customer's consent."""

    marketing: str
    changed_by: str
    changed_at: datetime


SELECT_CONSENT_HISTORY = text("""
    SELECT marketing, changed_by, changed_at FROM consent_changes
    WHERE account_id = :account_id AND customer_id = :customer_id
    ORDER BY changed_at, id
""")

SELECT_ADDRESSES = text("""
    SELECT email FROM addresses WHERE account_id = :account_id AND customer_id = :customer_id ORDER BY email
""")
"""The addresses whose guest orders belong to this customer."""

SELECT_ALL_ADDRESSES = text("""
    SELECT email FROM addresses WHERE account_id = :account_id AND customer_id = :customer_id
    UNION
    SELECT email FROM customers WHERE account_id = :account_id AND id = :customer_id AND email IS NOT NULL
    ORDER BY email
""")
"""Those, and the one that the customer is written to at."""

# ---------------------------------------------------------------- merging


class Heir(NamedTuple):
    """A customer who was merged, into whom, and the source of both."""

    id: int
    heir_id: int
    source_id: int


SELECT_HEIRS = text("""
    SELECT m.id, m.heir_id, m.source_id
    FROM merged_customers AS m JOIN sources AS s ON s.account_id = m.account_id AND s.id = m.source_id
    WHERE m.account_id = :account_id AND m.id = ANY(cast(:customers AS bigint[])) AND s.deleted_at IS NULL
""")

# ---------------------------------------------------------------- erasure

LOCK_CUSTOMER = text("SELECT id FROM customers WHERE account_id = :account_id AND id = :customer_id FOR UPDATE")

ANONYMISE_ORDERS = text("""
    UPDATE orders
    SET customer_id = NULL, guest_email = NULL, discount_codes = NULL, content_hash = 0, erased_at = :now
    WHERE account_id = :account_id AND source_id = :source_id AND customer_id = :customer_id
    RETURNING deleted_at IS NULL AS counted
""")
"""Takes a person's orders away from the person; no later version of an order gives it a customer again."""

REASSIGN_ADDRESSES = text("""
    INSERT INTO addresses (account_id, source_id, email, customer_id)
    SELECT DISTINCT ON (c.email) c.account_id, c.source_id, c.email, c.id
    FROM customers AS c
    WHERE c.account_id = :account_id AND c.source_id = :source_id AND c.email = ANY(cast(:addresses AS text[]))
      AND c.external_id IS NOT NULL
    ORDER BY c.email, c.external_id COLLATE "C"
""")
"""Gives addresses to the other customer who has them; of several, to the one with the smallest external id."""

SET_LANGUAGE = text("""
    UPDATE customers SET language = :language, language_at = :now
    WHERE account_id = :account_id AND id = :customer_id
""")

ERASE_MESSAGES = text("""
    UPDATE messages
    SET customer_id = NULL, subject = NULL, text = NULL, html = NULL, provider_id = NULL,
        reason = CASE WHEN status IN ('queued', 'held') THEN 'erased' ELSE reason END,
        due_at = CASE WHEN status IN ('queued', 'held') THEN NULL ELSE due_at END,
        settled_at = CASE WHEN status IN ('queued', 'held') THEN :now ELSE settled_at END,
        status = CASE WHEN status IN ('queued', 'held') THEN 'cancelled' ELSE status END
    WHERE account_id = :account_id AND customer_id = :customer_id
    RETURNING id
""")
"""Removes the content of a person's messages, which are locked; those that wait are cancelled."""

DELETE_ATTEMPTS = text("""
    DELETE FROM message_attempts
    WHERE account_id = :account_id AND message_id = ANY(cast(:messages AS bigint[]))
""")
"""Removes what servers answered when those messages were sent."""

DELETE_KEPT_ANSWERS = text("""
    DELETE FROM idempotency_keys
    WHERE account_id = :account_id AND operation = 'sendMessage' AND location = ANY(cast(:locations AS text[]))
""")
"""Removes what this service answered when those messages were queued."""

DELETE_CONSENT_CHANGES = text("""
    DELETE FROM consent_changes WHERE account_id = :account_id AND customer_id = :customer_id
""")

DELETE_ADDRESSES = text("""
    DELETE FROM addresses WHERE account_id = :account_id AND customer_id = :customer_id RETURNING email
""")

DELETE_OUTDATED_STANDING = text("""
    DELETE FROM outdated_standings WHERE account_id = :account_id AND customer_id = :customer_id
""")

DELETE_MERGED_IDS = text("""
    DELETE FROM merged_customers WHERE account_id = :account_id AND heir_id = :customer_id
""")
"""The ids of those who were merged into the customer lead nowhere any more."""

DELETE_CUSTOMER = text("DELETE FROM customers WHERE account_id = :account_id AND id = :customer_id")
