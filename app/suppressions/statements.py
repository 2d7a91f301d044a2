"""Suppression statements: what an account knows of e-mail addresses.

An address is found by a keyed hash. Of each thing that happened to it the latest time is kept, so that reports count
the same in whatever order they arrive.
"""

from datetime import datetime
from functools import cache
from typing import NamedTuple

from sqlalchemy import TextClause, text


class SuppressionRow(NamedTuple):
    """What is known of a suppressed address; `email` is None once its person was erased."""

    address_hash: bytes
    email: str | None
    reason: str
    since: datetime
    by: str
    left_at: datetime | None
    complained_at: datetime | None
    dead_at: datetime | None
    opted_in_at: datetime | None


class NotedAddress(NamedTuple):
    """An address of which something was noted, and whether it is suppressed now."""

    email: str | None
    is_suppressed: bool


def of_reason(event: str) -> str:
    """SQL: the time (`at`) or the cause (`by`) of what an address is suppressed for."""
    cases = f"WHEN 'dead' THEN w.dead_{event} WHEN 'complained' THEN w.complained_{event}"
    return f"CASE w.reason {cases} ELSE w.left_{event} END"


SUPPRESSION_COLUMNS = f"""w.address_hash, w.email, w.reason, {of_reason("at")} AS since, {of_reason("by")} AS by,
        w.left_at, w.complained_at, w.dead_at, w.opted_in_at"""

# ---------------------------------------------------------------- noting


def kept_latest(event: str) -> str:
    """SQL: the assignments that keep the latest time of an event, and what it came from."""
    at, by = f"{event}_at", f"{event}_by"
    is_later = f"excluded.{at} > w.{at} OR w.{at} IS NULL AND excluded.{at} IS NOT NULL"
    return f"{at} = greatest(w.{at}, excluded.{at}), {by} = CASE WHEN {is_later} THEN excluded.{by} ELSE w.{by} END"


UPSERT_SUPPRESSIONS = text(f"""
    INSERT INTO suppressions AS w (account_id, address_hash, email, left_at, left_by, complained_at, complained_by,
                                   dead_at, dead_by, opted_in_at, opted_in_by)
    SELECT cast(:account_id AS bigint), n.address_hash, n.email,
           n.left_at, CASE WHEN n.left_at IS NOT NULL THEN cast(:by AS text) END,
           n.complained_at, CASE WHEN n.complained_at IS NOT NULL THEN cast(:by AS text) END,
           n.dead_at, CASE WHEN n.dead_at IS NOT NULL THEN cast(:by AS text) END,
           n.opted_in_at, CASE WHEN n.opted_in_at IS NOT NULL THEN cast(:by AS text) END
    FROM unnest(cast(:address_hashes AS bytea[]), cast(:emails AS text[]), cast(:lefts_at AS timestamptz[]),
                cast(:complaineds_at AS timestamptz[]), cast(:deads_at AS timestamptz[]),
                cast(:opted_ins_at AS timestamptz[]))
         AS n (address_hash, email, left_at, complained_at, dead_at, opted_in_at)
    ORDER BY n.address_hash
    ON CONFLICT (account_id, address_hash) DO UPDATE SET
        email = coalesce(excluded.email, w.email), {kept_latest("left")}, {kept_latest("complained")},
        {kept_latest("dead")}, {kept_latest("opted_in")}
    RETURNING w.email, w.reason IS NOT NULL AS is_suppressed
""")
"""Notes what happened to addresses, each of which is given once."""

LIFT_DEAD_ADDRESS = text("""
    UPDATE suppressions SET dead_at = NULL, dead_by = NULL
    WHERE account_id = :account_id AND address_hash = :address_hash AND dead_at IS NOT NULL
""")
"""Takes back that the address is dead."""

ERASE_SUPPRESSED_ADDRESSES = text("""
    UPDATE suppressions AS w SET email = NULL
    FROM unnest(cast(:address_hashes AS bytea[]), cast(:addresses AS text[])) AS n (address_hash, email)
    WHERE w.account_id = :account_id AND w.address_hash = n.address_hash
      AND NOT EXISTS (SELECT FROM sources AS s
                      JOIN customers AS c ON c.account_id = s.account_id AND c.source_id = s.id
                      WHERE s.account_id = :account_id AND c.email = n.email)
""")
"""Keeps only the hash of addresses that no customer of the account has any more."""

# ---------------------------------------------------------------- reading

SELECT_SUPPRESSION = text(f"""
    SELECT {SUPPRESSION_COLUMNS} FROM suppressions AS w
    WHERE w.account_id = :account_id AND w.address_hash = :address_hash AND w.reason IS NOT NULL
""")


class MessageAddress(NamedTuple):
    """The hash of the address that a message went to, and the address that its recipient has now."""

    address_hash: bytes | None
    email: str | None


SELECT_ADDRESS_OF_MESSAGE = text("""
    SELECT m.address_hash, c.email
    FROM messages AS m LEFT JOIN customers AS c ON c.account_id = m.account_id AND c.id = m.customer_id
    WHERE m.account_id = :account_id AND m.id = :message_id
""")


@cache
def select_suppressions(*, by_reason: bool) -> TextClause:
    """A page of the suppressed addresses, in the order of their hashes."""
    return text(f"""
        SELECT {SUPPRESSION_COLUMNS} FROM suppressions AS w
        WHERE w.account_id = :account_id AND w.address_hash > :after
          AND {"w.reason = :reason" if by_reason else "w.reason IS NOT NULL"}
        ORDER BY w.address_hash
        LIMIT cast(:limit AS bigint)
    """)


SELECT_ALL_SUPPRESSIONS = text(f"""
    SELECT w.email AS address, w.reason, {of_reason("at")} AS since, {of_reason("by")} AS by
    FROM suppressions AS w
    WHERE w.account_id = :account_id AND w.reason IS NOT NULL AND w.email IS NOT NULL
    ORDER BY w.address_hash
""")
"""All suppressed addresses that are known, for a file."""

# ---------------------------------------------------------------- who has an address


class SourceWithAddress(NamedTuple):
    """A source of the account."""

    source_id: int


@cache
def select_sources_with_addresses(*, every: bool) -> TextClause:
    """The sources of an account, or those whose customers have one of the addresses."""
    having = """AND EXISTS (SELECT FROM customers AS c WHERE c.account_id = :account_id AND c.source_id = s.id
                          AND c.email = ANY(cast(:emails AS text[])))"""
    return text(f"""
        SELECT s.id AS source_id FROM sources AS s
        WHERE s.account_id = :account_id AND s.deleted_at IS NULL {"" if every else having}
        ORDER BY s.id
    """)
