"""Pull statements: whose shop is asked next, by whom, and how far that has come."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import text


class DuePull(NamedTuple):
    """A connection whose shop is to be asked."""

    account_id: int
    source_id: int


SELECT_DUE_PULLS = text("""
    SELECT account_id, source_id FROM store_connections
    WHERE pull_due_at <= :now AND state <> 'disconnected' AND (pull_lease_until IS NULL OR pull_lease_until < :now)
    ORDER BY pull_due_at LIMIT 50
""")
"""The connections of all accounts that wait for the worker."""


class ClaimedPull(NamedTuple):
    """What a round begins with; `secrets` is encrypted."""

    secrets: bytes
    state: str
    pulled_until: datetime | None
    pull_cursor: str | None
    failures: int


CLAIM_PULL = text("""
    UPDATE store_connections
    SET pull_lease_until = :lease, pull_began_at = CASE WHEN pull_cursor IS NULL THEN :now ELSE pull_began_at END
    WHERE account_id = :account_id AND source_id = :source_id AND pull_due_at <= :now AND state <> 'disconnected'
          AND (pull_lease_until IS NULL OR pull_lease_until < :now)
    RETURNING secrets, state, pulled_until, pull_cursor, failures
""")
"""Returns no row when another worker was faster."""

SELECT_PLATFORM = text("""
    SELECT s.platform FROM sources AS s JOIN accounts AS a ON a.id = s.account_id
    WHERE s.account_id = :account_id AND s.id = :source_id AND s.deleted_at IS NULL AND a.closed_at IS NULL
""")
"""No row for a closed account or a deleted source."""

SET_PULL_DUE_AT = text("""
    UPDATE store_connections SET pull_due_at = :due_at, pull_lease_until = NULL
    WHERE account_id = :account_id AND source_id = :source_id
""")

SET_PULL_URGENT = text("""
    UPDATE store_connections SET pull_due_at = :now
    WHERE account_id = :account_id AND source_id = :source_id AND pull_due_at > :now AND failures = 0
""")
"""An order is to be read: the shop is asked now, unless it does not answer."""

SET_PULL_PROGRESS = text("""
    UPDATE store_connections
    SET pull_cursor = :cursor, pull_lease_until = :next_lease, pulled_orders = pulled_orders + :orders,
        expected_orders = coalesce(cast(:expected AS bigint), expected_orders)
    WHERE account_id = :account_id AND source_id = :source_id AND pull_lease_until = :lease
""")
"""Changes nothing once another worker has taken over."""

EXTEND_PULL_LEASE = text("""
    UPDATE store_connections SET pull_lease_until = :next_lease
    WHERE account_id = :account_id AND source_id = :source_id AND pull_lease_until = :lease
""")
"""Changes nothing once another worker has taken over."""

SET_PULL_STATE = text("""
    UPDATE store_connections SET state = :state, reason = :reason, since = :now
    WHERE account_id = :account_id AND source_id = :source_id AND state <> :state AND state <> 'disconnected'
""")

SETTLE_PULL = text("""
    UPDATE store_connections
    SET pulled_until = pull_began_at, pull_cursor = NULL, pull_lease_until = NULL, failures = 0, reconciled_at = :now,
        pull_due_at = :due_at, reason = cast(:reason AS text),
        since = CASE WHEN state = cast(:state AS text) THEN since ELSE cast(:now AS timestamptz) END,
        state = cast(:state AS text)
    WHERE account_id = :account_id AND source_id = :source_id AND pull_lease_until = :lease AND state <> 'disconnected'
""")

SET_PULL_FAILURE = text("""
    UPDATE store_connections
    SET failures = :failures, pull_due_at = cast(:due_at AS timestamptz), pull_lease_until = NULL,
        reason = coalesce(cast(:reason AS text), reason),
        since = CASE WHEN state = cast(:state AS text) THEN since ELSE cast(:now AS timestamptz) END,
        state = cast(:state AS text)
    WHERE account_id = :account_id AND source_id = :source_id AND pull_lease_until = :lease AND state <> 'disconnected'
""")

SELECT_ORDERS_TO_READ = text("""
    SELECT order_id FROM orders_to_read
    WHERE account_id = :account_id AND source_id = :source_id
    ORDER BY order_id LIMIT :limit
""")

DELETE_ORDERS_TO_READ = text("""
    DELETE FROM orders_to_read
    WHERE account_id = :account_id AND source_id = :source_id AND order_id = ANY(cast(:order_ids AS text[]))
          AND asked_at <= :asked_at
""")
"""One that was asked for again meanwhile stays."""

# ---------------------------------------------------------------- leaving a shop


class LeftConnection(NamedTuple):
    """A connection of a source that was deleted; `secrets` is encrypted."""

    source_id: int
    platform: str
    secrets: bytes


SELECT_LEFT_CONNECTIONS = text("""
    SELECT k.source_id, s.platform, k.secrets
    FROM store_connections AS k JOIN sources AS s ON s.account_id = k.account_id AND s.id = k.source_id
    WHERE k.account_id = :account_id AND s.deleted_at IS NOT NULL AND k.state <> 'disconnected'
          AND k.source_id = coalesce(cast(:source_id AS bigint), k.source_id)
""")
"""Those of one source, or of all sources of an account, that were not left before."""

SET_LEFT = text("""
    UPDATE store_connections SET state = 'disconnected', reason = 'deleted', since = :now
    WHERE account_id = :account_id AND source_id = :source_id
""")
"""A shop is asked once: what it does not answer must not delay a deletion again and again."""
