"""Directory: statements that find a source's customers, keep what they agreed to, and forget them."""

from functools import cache

from sqlalchemy import TextClause, text

CONTACT = "c.id, c.source_id, c.external_id, c.name, c.email, c.marketing, c.language, c.created_at"

ONE = text(f"""
    SELECT {CONTACT}
    FROM customers AS c
    WHERE c.account_id = :account_id AND c.id = :customer_id
""")
"""One customer."""

# ---------------------------------------------------------------- finding

OF_SOURCE = "c.account_id = :account_id AND c.source_id = :source_id"
FOLLOWING = "AND c.id > :after_id ORDER BY c.id LIMIT cast(:limit AS bigint)"

EVERYONE = f"SELECT {CONTACT}, '' AS matched FROM customers AS c WHERE {OF_SOURCE} {FOLLOWING}"

BY_EXTERNAL_ID = f"""
    SELECT {CONTACT}, '' AS matched FROM customers AS c
    WHERE {OF_SOURCE} AND c.external_id = :external_id {FOLLOWING}
"""

BY_EMAIL = f"""
    SELECT {CONTACT}, '' AS matched FROM customers AS c WHERE {OF_SOURCE} AND c.email = :email AND c.id > :after_id
    UNION
    SELECT {CONTACT}, '' AS matched
    FROM addresses AS a JOIN customers AS c ON c.account_id = a.account_id AND c.id = a.customer_id
    WHERE a.account_id = :account_id AND a.source_id = :source_id AND a.email = :email AND c.id > :after_id
    ORDER BY id LIMIT cast(:limit AS bigint)
"""

# Names are folded by PostgreSQL, what is sought too; addresses are stored as normal_form.py writes them.
# A name is what it looks like, as far as anything can be sought: the cursor holds no more of it either.
LOOKING_LIKE = '"left"(lower(normalize(ltrim({}))), 100)'
NAME = LOOKING_LIKE.format("c.name")
FOLDED = {"c.email": "cast(:address AS text)", NAME: LOOKING_LIKE.format("cast(:name AS text)")}
LAST_CHARACTER = "chr(1114111)"


def _begins(column: str) -> str:
    low = FOLDED[column]
    return f"{column} ~>=~ {low} AND {column} ~<~ ({low} || {LAST_CHARACTER})"


def _beginning_with(column: str, but: str = "") -> str:
    """Walks along the index of the column, from where the page before has ended: what looks the same, what is greater.

    One walk for both would begin at the first of those that look the same, and shops have many a Guest.
    """
    return " UNION ALL ".join(
        f"""
        (SELECT {CONTACT}, {column} AS matched FROM customers AS c
         WHERE {OF_SOURCE} AND {_begins(column)} AND {following} {but}
         ORDER BY {column} USING ~<~, c.id LIMIT cast(:limit AS bigint))
        """
        for following in (f"{column} = :after AND c.id > :after_id", f"{column} ~>~ :after")
    )


BY_PREFIX = f"""
    {_beginning_with("c.email")}
    UNION ALL
    {_beginning_with(NAME, f"AND ({_begins('c.email')}) IS NOT TRUE")}
    ORDER BY matched USING ~<~, id LIMIT cast(:limit AS bigint)
"""

FINDINGS = {"external_id": BY_EXTERNAL_ID, "email": BY_EMAIL, "q": BY_PREFIX, "": EVERYONE}


@cache
def found(by: str) -> TextClause:
    """Customers by `external_id`, by `email` (any they were seen with), by a prefix `q`, or all of them."""
    return text(FINDINGS[by])


# ---------------------------------------------------------------- consent

CONSENTS_LOCKED = text("""
    SELECT c.id, c.marketing, (SELECT h.marketing FROM consent_changes AS h
                               WHERE h.account_id = :account_id AND h.customer_id = c.id
                               ORDER BY h.changed_at DESC, h.id DESC LIMIT 1) AS last_noted
    FROM customers AS c
    WHERE c.account_id = :account_id AND c.id = ANY(cast(:customers AS bigint[]))
    ORDER BY c.id
    FOR UPDATE OF c
""")
"""The consent of customers that is about to change, and what was last noted of it, if anybody has ever set it."""

CONSENTED = text("""
    UPDATE customers SET marketing = :marketing
    WHERE account_id = :account_id AND id = ANY(cast(:customers AS bigint[]))
""")
"""Another consent."""

CONSENT_NOTED = text("""
    INSERT INTO consent_changes (account_id, customer_id, marketing, changed_by, changed_at)
    SELECT cast(:account_id AS bigint), n.customer_id, cast(:marketing AS text), cast(:changed_by AS text),
           cast(:now AS timestamptz)
    FROM unnest(cast(:customers AS bigint[])) AS n (customer_id)
""")
"""Who changed a consent, when and to what."""

OF_ADDRESS = text("""
    SELECT c.source_id, c.id
    FROM sources AS s JOIN customers AS c ON c.account_id = s.account_id AND c.source_id = s.id
    WHERE s.account_id = :account_id AND c.email = :email
    ORDER BY 1, 2
""")
"""The customers of all the account's stores who are written to at an address: `source_id, id` of each."""

CONSENT_HISTORY = text("""
    SELECT marketing, changed_by, changed_at FROM consent_changes
    WHERE account_id = :account_id AND customer_id = :customer_id
    ORDER BY changed_at, id
""")
"""Every change of a customer's consent, oldest first."""

ADDRESSES = text("""
    SELECT email FROM addresses WHERE account_id = :account_id AND customer_id = :customer_id ORDER BY email
""")
"""The addresses whose orders are this customer's."""

# ---------------------------------------------------------------- erasure

ONE_LOCKED = text(f"{ONE.text} FOR UPDATE")
"""One customer who is about to be forgotten."""

ORDERS_ANONYMISED = text("""
    UPDATE orders
    SET customer_id = NULL, guest_email = NULL, content_hash = 0, erased_at = :now
    WHERE account_id = :account_id AND source_id = :source_id AND customer_id = :customer_id
    RETURNING deleted_at IS NULL AS counted
""")
"""A person's orders without the person: figures of no one, which no later version gives an owner again."""

INHERITED = text("""
    INSERT INTO addresses (account_id, source_id, email, customer_id)
    SELECT DISTINCT ON (c.email) c.account_id, c.source_id, c.email, c.id
    FROM customers AS c
    WHERE c.account_id = :account_id AND c.source_id = :source_id AND c.email = ANY(cast(:addresses AS text[]))
      AND c.external_id IS NOT NULL
    ORDER BY c.email, c.external_id COLLATE "C"
""")
"""Addresses that another customer has too given to that one; of several to the one with the smallest id."""

SPOKEN_TO_IN = text("""
    UPDATE customers SET language = :language WHERE account_id = :account_id AND id = :customer_id
""")
"""What a customer is written to in."""

MESSAGES_FORGOTTEN = text("""
    UPDATE messages
    SET customer_id = NULL, subject = NULL, text = NULL, html = NULL, provider_id = NULL,
        reason = CASE WHEN status IN ('queued', 'held') THEN 'erased' ELSE reason END,
        due_at = CASE WHEN status IN ('queued', 'held') THEN NULL ELSE due_at END,
        settled_at = CASE WHEN status IN ('queued', 'held') THEN :now ELSE settled_at END,
        status = CASE WHEN status IN ('queued', 'held') THEN 'cancelled' ELSE status END
    WHERE account_id = :account_id AND customer_id = :customer_id
    RETURNING id
""")
"""What a person's messages said, gone; those not begun are never sent. They are locked before."""

ANSWERS_FORGOTTEN = (
    text(
        "DELETE FROM message_attempts WHERE account_id = :account_id AND message_id = ANY(cast(:messages AS bigint[]))"
    ),
    text("""
        DELETE FROM idempotency_keys
        WHERE account_id = :account_id AND operation = 'sendMessage' AND location = ANY(cast(:locations AS text[]))
    """),
)
"""What servers answered about those messages, and what we answered to whoever wrote them, gone."""

FORGOTTEN = tuple(
    text(f"DELETE FROM {table} WHERE account_id = :account_id AND {column} = :customer_id")
    for table, column in (
        ("consent_changes", "customer_id"),
        ("addresses", "customer_id"),
        ("outdated_standings", "customer_id"),
        ("customers", "id"),
    )
)
"""Everything else that is known of a person, gone."""
