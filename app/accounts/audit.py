"""Audit log: what the operator and admin keys have done to an account."""

import json
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import text

from app.database.pools import Connection
from app.vocabulary import AuditAction

OPERATOR, COMMAND = "operator", "command"
"""Who acts beside keys: the holder of ADMIN_KEY, and who runs a command on the machine."""


class AuditRow(NamedTuple):
    """An entry; `about` is a JSON object."""

    id: int
    at: datetime
    by: str
    action: str
    about: str


INSERT_AUDIT_ENTRY = text("""
    INSERT INTO audit_entries (account_id, at, by, action, about) VALUES (:account_id, :now, :by, :action, :about)
""")

SELECT_AUDIT_ENTRIES = text("""
    SELECT id, at, by, action, about FROM audit_entries
    WHERE account_id = :account_id AND id < :before
    ORDER BY id DESC LIMIT :limit
""")

LAST_ENTRY = 2**63 - 1


async def note_action(
    conn: Connection, account_id: int, by: str, action: AuditAction, now: datetime, **about: object
) -> None:
    """Keep an action, in the transaction of its effect; `about` holds neither secrets nor a person's data."""
    entry = {"account_id": account_id, "now": now, "by": by, "action": action.value, "about": json.dumps(about)}
    await conn.execute(INSERT_AUDIT_ENTRY, entry)
