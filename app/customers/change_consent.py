"""Consent: what customers have chosen about offers, explicitly, with who changed it and when.

No import overwrites it, and of two explicit choices the one that was made later counts.
"""

from collections.abc import Sequence
from datetime import datetime

from app.boards.source import Counts, Source, add_to_counts, lock_source
from app.customers import statements
from app.customers.statements import LockedConsent
from app.database.pools import Connection
from app.database.rows import all_rows, change_rows


async def change_consent(
    conn: Connection, source: Source, customers: Sequence[int], marketing: str, changed_by: str, now: datetime
) -> list[int]:
    """Set the choice of customers of one source and keep the change; returns those who still exist.

    `now` is when the choice was made. It is kept out by a later explicit one.
    """
    await lock_source(conn, source.account_id, source.id)
    account = {"account_id": source.account_id}
    known = await all_rows(conn, statements.LOCK_CONSENTS, account | {"customers": customers}, LockedConsent)
    outdated = [row for row in known if row.explicit_at is None or row.explicit_at <= now]
    changed = [row.id for row in outdated if row.marketing != marketing]
    noted = [row.id for row in outdated if row.marketing != marketing or row.explicit_at is None]
    if noted:
        change = {"customers": noted, "marketing": marketing, "changed_by": changed_by, "now": now}
        await conn.execute(statements.INSERT_CONSENT_CHANGES, account | change)
    if outdated:
        chosen = account | {"customers": [row.id for row in outdated], "marketing": marketing, "now": now}
        await change_rows(conn, statements.SET_MARKETING, chosen, rows=len(outdated))
    if changed:
        await add_to_counts(conn, source, Counts(), contacts_changed=True)
    return [row.id for row in known]
