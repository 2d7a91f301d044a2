"""Changing consent: what a person agreed to, with who noted it and when; no import overwrites it."""

from collections.abc import Sequence
from datetime import datetime

from app.boards import source as source_statements
from app.boards.recount import lock
from app.boards.source import Source
from app.customers import directory
from app.database.pools import Connection

SAY_NOTHING_OF_THE_ADDRESS = {"unsubscribe", "complaint"}
"""Who leaves does not make an address usable that has been refused for good; that they have left is noted."""


async def change_consent(
    conn: Connection, source: Source, customers: Sequence[int], marketing: str, changed_by: str, now: datetime
) -> list[int]:
    """Set that of customers of one store, and let boards that show it follow; gives those who are (still) there."""
    await lock(conn, source)
    account = {"account_id": source.account_id}
    known = (await conn.execute(directory.CONSENTS_LOCKED, account | {"customers": customers})).all()
    unusable = {row.id for row in known if row.marketing == "cleaned" and changed_by in SAY_NOTHING_OF_THE_ADDRESS}
    changed = {row.id for row in known if row.marketing != marketing and row.id not in unusable}
    noted = [row.id for row in known if row.id in changed or row.last_noted != marketing]
    if noted:
        note = {"customers": noted, "marketing": marketing, "changed_by": changed_by, "now": now}
        await conn.execute(directory.CONSENT_NOTED, account | note)
    if changed:
        await conn.execute(directory.CONSENTED, account | {"customers": [*changed], "marketing": marketing})
        shown = source_statements.counted(
            source.account_id, source.id, orders=0, unattributed=0, foreign_currency=0, contacts=True
        )
        await conn.execute(shown)
    return [row.id for row in known]
