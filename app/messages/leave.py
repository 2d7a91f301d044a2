"""Leaving: a recipient follows the link of a message and wants no more offers."""

from datetime import datetime

from app.database import Database
from app.messages import correspondence
from app.messages.note_consent import note_consent
from app.messages.unsubscribe_token import Leaver, account_in, leaver_in


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
    await note_consent(database, who, "unsubscribed", "unsubscribe", now)
    return sender


async def _leaver(database: Database, text: str) -> tuple[Leaver, str] | None:
    account_id = account_in(text)
    if account_id is None:
        return None
    async with database.read() as conn:
        row = (await conn.execute(correspondence.SEAL, {"account_id": account_id})).one_or_none()
    leaver = None if row is None else leaver_in(row.cursor_secret, text)
    return None if leaver is None or row is None else (leaver, row.name)
