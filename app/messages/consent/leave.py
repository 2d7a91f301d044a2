"""Leaving: a recipient follows the link of a message and wants no more offers."""

from datetime import datetime

from app.database.pools import Database
from app.messages import correspondence
from app.messages.consent.note_consent import note_consent
from app.messages.consent.unsubscribe_token import Recipient, account_in, recipient_in


async def sender_of(database: Database, text: str) -> str | None:
    """Who wrote the message that the token is of; nothing where we did not write the token."""
    recipient = await _recipient(database, text)
    return recipient and recipient[1]


async def leave(database: Database, text: str, now: datetime) -> str | None:
    """Unsubscribe whoever the token is of; who wrote to them, or nothing where we did not write the token.

    It works when the customer is erased too: nobody is left to be written to.
    """
    recipient = await _recipient(database, text)
    if recipient is None:
        return None
    who, sender = recipient
    await note_consent(database, who, "unsubscribed", "unsubscribe", now)
    return sender


async def _recipient(database: Database, text: str) -> tuple[Recipient, str] | None:
    account_id = account_in(text)
    if account_id is None:
        return None
    async with database.read() as conn:
        row = (await conn.execute(correspondence.SEAL, {"account_id": account_id})).one_or_none()
    recipient = None if row is None else recipient_in(row.cursor_secret, text)
    return None if recipient is None or row is None else (recipient, row.name)
