"""Tables: everything that is stored.

Amounts are minor units. A row belongs to an account, see tenancy.py. Statements name tables and
columns in SQL; these definitions are what the migrations must make, and tests compare the two.
"""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import dialect

from app.tables.accounts import (
    accounts,
    api_keys,
    audit_entries,
    daily_mails,
    deletions,
    idempotency_keys,
    rate_windows,
    sender_domains,
    senders,
    suppressions,
    token_windows,
)
from app.tables.boards import AVERAGE, boards, outdated_standings, standing_buckets, standing_cells, standings
from app.tables.connections import inbox, orders_to_read, store_connections, store_refunds
from app.tables.messages import message_attempts, messages
from app.tables.orders import imports, orders, refused_rows
from app.tables.stores import addresses, audiences, consent_changes, customers, merged_customers, sources
from app.tenancy import metadata

__all__ = [
    "AVERAGE",
    "accounts",
    "addresses",
    "api_keys",
    "array_type",
    "audiences",
    "audit_entries",
    "boards",
    "consent_changes",
    "customers",
    "daily_mails",
    "deletions",
    "idempotency_keys",
    "imports",
    "inbox",
    "merged_customers",
    "message_attempts",
    "messages",
    "metadata",
    "orders",
    "orders_to_read",
    "outdated_standings",
    "rate_windows",
    "refused_rows",
    "sender_domains",
    "senders",
    "sources",
    "standing_buckets",
    "standing_cells",
    "standings",
    "store_connections",
    "store_refunds",
    "suppressions",
    "token_windows",
]

DIALECT = dialect()  # type: ignore[no-untyped-call]


def array_type(column: sa.Column[Any]) -> str:
    """The PostgreSQL array of a column's type; of an enum the array of its text."""
    return "text[]" if isinstance(column.type, sa.Enum) else f"{column.type.compile(DIALECT)}[]"
