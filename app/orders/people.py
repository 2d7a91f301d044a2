"""People: statements about customers and the addresses that lead to them."""

from sqlalchemy import text

OWNERS = text("""
    SELECT email, customer_id
    FROM addresses
    WHERE account_id = :account_id AND source_id = :source_id AND email = ANY(cast(:addresses AS text[]))
""")
"""The customers that these addresses lead to."""

KNOWN = text("""
    SELECT id, external_id, email, name, email_at, name_at
    FROM customers
    WHERE account_id = :account_id AND source_id = :source_id
      AND (external_id = ANY(cast(:external_ids AS text[])) OR id = ANY(cast(:ids AS bigint[])))
""")
"""The customers with these ids of the store, and those with these ids of ours."""

NEW = text("""
    INSERT INTO customers (account_id, source_id, external_id, email, name, email_at, name_at, created_at)
    SELECT cast(:account_id AS bigint), cast(:source_id AS bigint),
           n.external_id, n.email, n.name, n.email_at, n.name_at, cast(:now AS timestamptz)
    FROM unnest(cast(:external_ids AS text[]), cast(:emails AS text[]), cast(:names AS text[]),
                cast(:emails_at AS timestamptz[]), cast(:names_at AS timestamptz[]))
         AS n (external_id, email, name, email_at, name_at)
    RETURNING id, external_id, email
""")
"""New customers; returns `id, external_id, email` of each."""

CHANGED = text("""
    UPDATE customers AS c
    SET external_id = n.external_id, email = n.email, name = n.name, email_at = n.email_at, name_at = n.name_at
    FROM unnest(cast(:ids AS bigint[]), cast(:external_ids AS text[]), cast(:emails AS text[]),
                cast(:names AS text[]), cast(:emails_at AS timestamptz[]), cast(:names_at AS timestamptz[]))
         AS n (id, external_id, email, name, email_at, name_at)
    WHERE c.account_id = :account_id AND c.source_id = :source_id AND c.id = n.id
""")
"""Customers with other contact data, or with the id that they were not known by before."""

DATED = text("""
    UPDATE customers AS c
    SET email_at = n.email_at, name_at = n.name_at
    FROM unnest(cast(:ids AS bigint[]), cast(:emails_at AS timestamptz[]), cast(:names_at AS timestamptz[]))
         AS n (id, email_at, name_at)
    WHERE c.account_id = :account_id AND c.source_id = :source_id AND c.id = n.id
""")
"""Customers whose contact data were said again by a newer order."""

OWNED = text("""
    INSERT INTO addresses AS a (account_id, source_id, email, customer_id)
    SELECT cast(:account_id AS bigint), cast(:source_id AS bigint), n.email, n.customer_id
    FROM unnest(cast(:addresses AS text[]), cast(:customers AS bigint[])) AS n (email, customer_id)
    ON CONFLICT (account_id, source_id, email) DO UPDATE SET customer_id = excluded.customer_id
""")
"""Whose the purchases of an address alone are from now on."""

MOVED = text("""
    UPDATE orders AS o
    SET customer_id = n.heir
    FROM unnest(cast(:addresses AS text[]), cast(:owners AS bigint[]), cast(:heirs AS bigint[]))
         AS n (email, owner, heir)
    WHERE o.account_id = :account_id AND o.source_id = :source_id
      AND o.customer_id = n.owner AND o.guest_email = n.email
""")
"""The orders of an address alone given to its new owner."""

MERGING = text("""
    SELECT id FROM customers
    WHERE account_id = :account_id AND source_id = :source_id AND id = ANY(cast(:ids AS bigint[]))
    ORDER BY id
    FOR UPDATE
""")
"""Customers that become part of another one, locked: whoever is writing to them has done so."""

CONSENT_INHERITED = (
    text("""
        UPDATE consent_changes AS h
        SET customer_id = n.heir
        FROM unnest(cast(:ids AS bigint[]), cast(:heirs AS bigint[])) AS n (id, heir)
        WHERE h.account_id = :account_id AND h.customer_id = n.id
    """),
    text("""
        UPDATE customers AS c
        SET marketing = h.marketing
        FROM (SELECT DISTINCT ON (account_id, customer_id) account_id, customer_id, marketing
              FROM consent_changes
              WHERE account_id = :account_id AND customer_id = ANY(cast(:heirs AS bigint[]))
              ORDER BY account_id, customer_id, changed_at DESC, id DESC) AS h
        WHERE c.account_id = :account_id AND h.account_id = c.account_id AND c.id = h.customer_id
    """),
)
"""What merged customers agreed to is their heirs' from now on, the last word counting."""

LANGUAGE_INHERITED = text("""
    UPDATE customers AS c
    SET language = g.language
    FROM (SELECT g.account_id, n.heir, min(g.language) AS language
          FROM unnest(cast(:ids AS bigint[]), cast(:heirs AS bigint[])) AS n (id, heir)
          JOIN customers AS g ON g.account_id = :account_id AND g.id = n.id
          GROUP BY g.account_id, n.heir) AS g
    WHERE c.account_id = :account_id AND g.account_id = c.account_id AND c.id = g.heir AND c.language IS NULL
""")
"""What merged customers were written to in is their heirs' from now on, where those have no language of their own."""

MESSAGES_LOCKED = text("""
    SELECT id FROM messages
    WHERE account_id = :account_id AND customer_id = ANY(cast(:ids AS bigint[]))
    ORDER BY id
    FOR NO KEY UPDATE
""")
"""What was written to these customers, locked by number, as a worker does that settles several at once."""

MESSAGES_INHERITED = text("""
    UPDATE messages AS m
    SET customer_id = n.heir
    FROM unnest(cast(:ids AS bigint[]), cast(:heirs AS bigint[])) AS n (id, heir)
    WHERE m.account_id = :account_id AND m.customer_id = n.id
""")
"""What was written to merged customers was written to their heirs."""

MERGED_AWAY = text("""
    DELETE FROM customers
    WHERE account_id = :account_id AND source_id = :source_id AND id = ANY(cast(:ids AS bigint[]))
""")
"""Customers that were only an address and have become part of another one."""
