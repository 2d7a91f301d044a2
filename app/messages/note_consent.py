"""Noting consent: what a link or a report says of whoever a message is to, though they may be merged just then."""

from datetime import datetime
from typing import Any

from app.customers.change_consent import change_consent
from app.database import Connection, Database
from app.messages import correspondence
from app.messages.addressing import is_another
from app.messages.settle_messages import source_of_customer
from app.messages.unsubscribe_token import Leaver
from app.orders.source import Source


async def note_consent(
    database: Database, who: Leaver, marketing: str, changed_by: str, now: datetime, *, address: str | None = None
) -> None:
    """Change the consent of whom the message is to, and of nobody where they are erased.

    With an `address` it is said of that alone, which need not be theirs any more.

    Whoever waits for the turn of their source may find them merged away by the import before it: then the
    message is their heir's, who is asked for anew.
    """
    while (found := await _recipient(database, who)) is not None:
        source, customer = found
        if address is not None and is_another(address, customer.email):
            return
        async with database.write_in_turn(source.id) as conn:
            if await change_consent(conn, source, customer.id, marketing, changed_by, now):
                return


async def _recipient(database: Database, who: Leaver) -> tuple[Source, Any] | None:
    """Read where it is written: a replica that lags behind would name the one who is gone again and again."""
    async with database.write() as conn:
        return await source_of_customer(conn, who.account_id, who.customer_id) or await _heir(conn, who)


async def _heir(conn: Connection, who: Leaver) -> tuple[Source, Any] | None:
    """Whom a guest has become part of since: the message is theirs now."""
    message = {"account_id": who.account_id, "id": who.message_id}
    row = (await conn.execute(correspondence.ONE, message)).one_or_none()
    if row is None or row.customer_id is None:
        return None
    return await source_of_customer(conn, who.account_id, row.customer_id)
