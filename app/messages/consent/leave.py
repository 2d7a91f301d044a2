"""Leaving: a recipient follows the unsubscribe link of a message."""

from datetime import datetime
from typing import NamedTuple

from app.database.pools import Database
from app.database.rows import first_row
from app.messages.consent.note_consent import end_consent
from app.messages.consent.unsubscribe_token import Recipient, named_in, recipient_in
from app.messages.statements import SELECT_LINK_SECRET, LinkSecret
from app.vocabulary import SuppressionReason


class Leaver(NamedTuple):
    """The recipient that a token names, and the sender of the message."""

    recipient: Recipient
    sender: str


async def sender_of(database: Database, token: str) -> str | None:
    """The sender of the message that the token names; None when the token is not ours."""
    leaver = await _leaver(database, token)
    return leaver and leaver.sender


async def leave(database: Database, token: str, now: datetime) -> str | None:
    """Unsubscribe the customer and the address that the token's message went to. Return the sender's name.

    It is None if the token is not ours. An erased customer gets the same answer.
    """
    leaver = await _leaver(database, token)
    if leaver is None:
        return None
    await end_consent(database, leaver.recipient, SuppressionReason.LEFT, now)
    return leaver.sender


async def _leaver(database: Database, token: str) -> Leaver | None:
    named = named_in(token)
    if named is None:
        return None
    async with database.read() as conn:
        bound = {"account_id": named.account_id, "message_id": named.message_id}
        found = await first_row(conn, SELECT_LINK_SECRET, bound, LinkSecret)
    recipient = recipient_in(found.cursor_secret, token) if found else None
    return Leaver(recipient, found.name) if found and recipient else None
