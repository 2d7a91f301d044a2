"""Consent: what customers have agreed to, with who changed it and when; no import overwrites it."""

from collections.abc import Sequence
from datetime import datetime

from app.boards.source import Source, add_to_counts, lock_source
from app.customers import statements
from app.customers.statements import LockedConsent
from app.database.pools import Connection
from app.database.rows import all_rows
from app.vocabulary import Marketing

ABOUT_THE_PERSON = {"unsubscribe", "complaint"}
"""Changes that say nothing about the address: they do not clear `cleaned` and are only added to the history."""


async def change_consent(
    conn: Connection, source: Source, customers: Sequence[int], marketing: str, changed_by: str, now: datetime
) -> list[int]:
    """Set the consent of customers of one source and keep the change; returns those who still exist."""
    await lock_source(conn, source.account_id, source.id)
    account = {"account_id": source.account_id}
    known = await all_rows(conn, statements.LOCK_CONSENTS, account | {"customers": customers}, LockedConsent)
    unusable = {row.id for row in known if row.marketing == Marketing.CLEANED and changed_by in ABOUT_THE_PERSON}
    changed = {row.id for row in known if row.marketing != marketing and row.id not in unusable}
    noted = [row.id for row in known if row.id in changed or row.last_noted != marketing]
    if noted:
        change = {"customers": noted, "marketing": marketing, "changed_by": changed_by, "now": now}
        await conn.execute(statements.INSERT_CONSENT_CHANGES, account | change)
    if changed:
        await conn.execute(statements.SET_MARKETING, account | {"customers": [*changed], "marketing": marketing})
        await add_to_counts(conn, source, contacts_changed=True)
    return [row.id for row in known]
