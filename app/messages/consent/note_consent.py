"""Noting consent: a recipient has left or complained, even while they are being merged into another customer."""

from datetime import datetime

from app.boards.source import read_source
from app.customers.change_consent import change_consent
from app.customers.statements import SELECT_CUSTOMER, Contact
from app.database.pools import Connection, Database
from app.database.rows import first_row
from app.messages.consent.unsubscribe_token import Recipient
from app.messages.statements import SELECT_MESSAGE, MessageRow
from app.suppressions.suppress import suppress_address_of_message
from app.vocabulary import ChosenMarketing, SuppressionReason

CHANGED_BY = {SuppressionReason.LEFT: "unsubscribe", SuppressionReason.COMPLAINED: "complaint"}
"""What the history calls the change."""


async def end_consent(database: Database, who: Recipient, reason: SuppressionReason, now: datetime) -> None:
    """The recipient wants no more offers: neither do they, nor may others be written to at the same address.

    An import may merge the recipient into another customer while this waits for the turn of their source.
    Then the message belongs to that customer, who is looked up again. Of an erased recipient only the address is left.
    """
    await suppress_address_of_message(database, who.account_id, who.message_id, reason, CHANGED_BY[reason], now)
    while (recipient := await _recipient(database, who)) is not None:
        async with database.write() as conn:
            source = await read_source(conn, who.account_id, recipient.source_id)
        async with database.write_in_turn(source.id) as conn:
            unsubscribed = ChosenMarketing.UNSUBSCRIBED
            if await change_consent(conn, source, [recipient.id], unsubscribed, CHANGED_BY[reason], now):
                return


async def _recipient(database: Database, who: Recipient) -> Contact | None:
    """The recipient, read from the primary: a replica may still show a customer who has been merged away."""
    async with database.write() as conn:
        key = {"account_id": who.account_id, "customer_id": who.customer_id}
        return await first_row(conn, SELECT_CUSTOMER, key, Contact) or await _heir(conn, who)


async def _heir(conn: Connection, who: Recipient) -> Contact | None:
    """The customer into whom the recipient was merged: the message belongs to them now."""
    message = {"account_id": who.account_id, "id": who.message_id}
    row = await first_row(conn, SELECT_MESSAGE, message, MessageRow)
    if row is None or row.customer_id is None:
        return None
    heir = {"account_id": who.account_id, "customer_id": row.customer_id}
    return await first_row(conn, SELECT_CUSTOMER, heir, Contact)
