"""Connection statements: how a source is tied to its shop."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import text


class SecretsRow(NamedTuple):
    """What a connection keeps secret, encrypted."""

    secrets: bytes


SELECT_SECRETS = text("""
    SELECT secrets FROM store_connections
    WHERE account_id = :account_id AND source_id = :source_id
    FOR UPDATE
""")

UPSERT_CONNECTION = text("""
    INSERT INTO store_connections AS k (account_id, source_id, secrets, state, reason, since)
    VALUES (:account_id, :source_id, :secrets, 'connecting', :reason, :now)
    ON CONFLICT (account_id, source_id) DO UPDATE SET secrets = excluded.secrets
""")
"""New secrets change nothing else of a connection."""

UPSERT_CREDENTIALS = text("""
    INSERT INTO store_connections AS k (account_id, source_id, secrets, state, since, api_version, customer_data,
                                        history_from, pull_due_at)
    VALUES (:account_id, :source_id, :secrets, 'connecting', :now, :api_version, :customer_data, :history_from, :now)
    ON CONFLICT (account_id, source_id) DO UPDATE
        SET secrets = excluded.secrets, state = excluded.state, reason = NULL, since = excluded.since,
            api_version = excluded.api_version, customer_data = excluded.customer_data,
            history_from = coalesce(k.history_from, excluded.history_from), pull_due_at = excluded.pull_due_at,
            pull_lease_until = NULL, failures = 0
""")
"""New credentials connect again, and reading resumes where it has ended."""

SET_STATE = text("""
    UPDATE store_connections SET state = :state, reason = :reason, since = :now
    WHERE account_id = :account_id AND source_id = :source_id AND state = ANY(cast(:before AS text[]))
""")
"""A connection changes its state only from certain others."""


class SyncRow(NamedTuple):
    """A connection as it is shown."""

    state: str
    reason: str | None
    since: datetime
    api_version: str | None
    customer_data: str | None
    history_from: datetime | None
    pulled_until: datetime | None
    pull_due_at: datetime | None
    pulled_orders: int
    expected_orders: int | None
    reconciled_at: datetime | None
    waiting: int
    oldest_waiting_at: datetime | None
    last_delivery_at: datetime | None


SELECT_SYNC = text("""
    SELECT k.state, k.reason, k.since, k.api_version, k.customer_data, k.history_from, k.pulled_until,
           k.pull_due_at, k.pulled_orders, k.expected_orders, k.reconciled_at,
           (SELECT count(*) FROM inbox AS i
            WHERE i.account_id = :account_id AND i.source_id = :source_id AND i.status = 'waiting') AS waiting,
           (SELECT i.received_at FROM inbox AS i
            WHERE i.account_id = :account_id AND i.source_id = :source_id AND i.status = 'waiting'
            ORDER BY i.id LIMIT 1) AS oldest_waiting_at,
           (SELECT i.received_at FROM inbox AS i
            WHERE i.account_id = :account_id AND i.source_id = :source_id
            ORDER BY i.id DESC LIMIT 1) AS last_delivery_at
    FROM store_connections AS k
    WHERE k.account_id = :account_id AND k.source_id = :source_id
""")


class AgedSecrets(NamedTuple):
    """Secrets that were encrypted with another key than the first."""

    account_id: int
    source_id: int


SELECT_AGED_SECRETS = text("""
    SELECT account_id, source_id FROM store_connections
    WHERE substring(secrets FROM 1 FOR 5) <> cast(:prefix AS bytea)
          AND (account_id, source_id) > (cast(:after_account AS bigint), cast(:after AS bigint))
    ORDER BY account_id, source_id LIMIT cast(:limit AS bigint)
""")
"""The connections of all accounts whose secrets a changed key has left behind, a page of them."""

SET_SECRETS = text("""
    UPDATE store_connections SET secrets = :secrets WHERE account_id = :account_id AND source_id = :source_id
""")
