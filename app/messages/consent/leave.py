"""Leaving: a recipient follows the unsubscribe link of a message."""

from datetime import datetime
from typing import NamedTuple

from app.database.pools import Database
from app.database.rows import first_row
from app.messages.consent.note_consent import note_consent
from app.messages.consent.unsubscribe_token import Recipient, account_in, recipient_in
from app.messages.statements import SELECT_LINK_SECRET, LinkSecret


class Leaver(NamedTuple):
    """The recipient that a token names, and the sender of the message."""

    recipient: Recipient
    sender: str


async def sender_of(database: Database, token: str) -> str | None:
    """The sender of the message that the token names; None when the token is not ours."""
    leaver = await _leaver(database, token)
    return leaver and leaver.sender


async def leave(database: Database, token: str, now: datetime) -> str | None:
    """Unsubscribe the customer named by the token. Return the sender's name, or None if the token is not ours.

    An erased customer gets the same answer.
    """
    leaver = await _leaver(database, token)
    if leaver is None:
        return None
    await note_consent(database, leaver.recipient, "unsubscribed", "unsubscribe", now)
    return leaver.sender


async def _leaver(database: Database, token: str) -> Leaver | None:
    account_id = account_in(token)
    if account_id is None:
        return None
    async with database.read() as conn:
        found = await first_row(conn, SELECT_LINK_SECRET, {"account_id": account_id}, LinkSecret)
    recipient = recipient_in(found.cursor_secret, token) if found else None
    return Leaver(recipient, found.name) if found and recipient else None
