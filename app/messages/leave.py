"""Leaving: a recipient follows the link of a message and wants no more offers."""

from datetime import datetime
from typing import Any

from app.customers.change_consent import change_consent
from app.database import Connection, Database
from app.messages import correspondence
from app.messages.settle_messages import source_of_customer
from app.messages.unsubscribe_token import Leaver, account_in, leaver_in
from app.orders.source import Source


async def sender_of(database: Database, text: str) -> str | None:
    """Who wrote the message that the token is of; nothing where we did not write the token."""
    leaver = await _leaver(database, text)
    return leaver and leaver[1]


async def leave(database: Database, text: str, now: datetime) -> str | None:
    """Unsubscribe whoever the token is of; who wrote to them, or nothing where we did not write the token.

    It works when the customer is erased too: nobody is left to be written to.
    """
    leaver = await _leaver(database, text)
    if leaver is None:
        return None
    who, sender = leaver
    async with database.read() as conn:
        found = await source_of_customer(conn, who.account_id, who.customer_id) or await _heir(conn, who)
    if found is not None:
        source, customer = found
        async with database.write_in_turn(source.id) as conn:
            await change_consent(conn, source, customer.id, "unsubscribed", "unsubscribe", now)
    return sender


async def _heir(conn: Connection, who: Leaver) -> tuple[Source, Any] | None:
    """Whom a guest has become part of since: the message is theirs now."""
    message = {"account_id": who.account_id, "id": who.message_id}
    row = (await conn.execute(correspondence.ONE, message)).one_or_none()
    if row is None or row.customer_id is None:
        return None
    return await source_of_customer(conn, who.account_id, row.customer_id)


async def _leaver(database: Database, text: str) -> tuple[Leaver, str] | None:
    account_id = account_in(text)
    if account_id is None:
        return None
    async with database.read() as conn:
        row = (await conn.execute(correspondence.SEAL, {"account_id": account_id})).one_or_none()
    leaver = None if row is None else leaver_in(row.cursor_secret, text)
    return None if leaver is None or row is None else (leaver, row.name)
