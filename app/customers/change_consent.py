"""Changing consent: what a person agreed to, with who noted it and when; no import overwrites it."""

from datetime import datetime

from app.customers import directory
from app.database import Connection
from app.orders import source as source_statements
from app.orders.recount import lock
from app.orders.source import Source

SAY_NOTHING_OF_THE_ADDRESS = {"unsubscribe", "complaint"}
"""Who leaves does not make an address usable that has been refused for good; that they have left is noted."""


async def change_consent(
    conn: Connection, source: Source, customer_id: int, marketing: str, changed_by: str, now: datetime
) -> bool:
    """Set it, and let boards that show it follow; False where there is no such customer (any more)."""
    await lock(conn, source)
    person = {"account_id": source.account_id, "customer_id": customer_id}
    known = (await conn.execute(directory.CONSENT_LOCKED, person)).one_or_none()
    if known is None:
        return False
    consent = person | {"marketing": marketing}
    stays_unusable = known.marketing == "cleaned" and changed_by in SAY_NOTHING_OF_THE_ADDRESS
    changes = marketing != known.marketing and not stays_unusable
    if changes or marketing != known.last_noted:
        await conn.execute(directory.CONSENT_NOTED, consent | {"changed_by": changed_by, "now": now})
    if changes:
        await conn.execute(directory.CONSENTED, consent)
        shown = source_statements.counted(
            source.account_id, source.id, orders=0, unattributed=0, foreign_currency=0, contacts=True
        )
        await conn.execute(shown)
    return True
