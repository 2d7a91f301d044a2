"""Noting consent: a change from an unsubscribe link or a provider's feedback, even while the recipient is being merged.

The change is about the address: it applies to every customer of the account who has it.
"""

from datetime import datetime

from app.boards.source import Source, read_source
from app.customers.change_consent import change_consent
from app.customers.statements import (
    SELECT_CUSTOMER,
    SELECT_CUSTOMERS_WITH_ADDRESS,
    Contact,
    CustomerOfSource,
)
from app.database.pools import Connection, Database
from app.database.rows import all_rows, first_row
from app.mail.addressing import is_another
from app.messages.consent.unsubscribe_token import Recipient
from app.messages.statements import SELECT_MESSAGE, MessageRow


async def note_consent(
    database: Database, who: Recipient, marketing: str, changed_by: str, now: datetime, *, address: str | None = None
) -> None:
    """Change the recipient's consent; do nothing if they have been erased.

    With an `address` the change is about that address alone, which may no longer be the recipient's.

    An import may merge the recipient into another customer while this waits for the turn of their source.
    Then the message belongs to that customer, who is looked up again.
    """
    while (recipient := await _recipient(database, who)) is not None:
        if address is not None and is_another(address, recipient.email):
            return
        changed: set[int] = set()
        for source, customers in await _customers_with_address(database, who.account_id, recipient):
            async with database.write_in_turn(source.id) as conn:
                changed.update(await change_consent(conn, source, customers, marketing, changed_by, now))
        if recipient.id in changed:
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


async def _customers_with_address(
    database: Database, account_id: int, recipient: Contact
) -> list[tuple[Source, list[int]]]:
    """The recipient and every other customer with the same address, by source."""
    by_source = {recipient.source_id: {recipient.id}}
    bound = {"account_id": account_id, "email": recipient.email}
    async with database.write() as conn:
        for row in await all_rows(conn, SELECT_CUSTOMERS_WITH_ADDRESS, bound, CustomerOfSource):
            by_source.setdefault(row.source_id, set()).add(row.id)
        sources = [await read_source(conn, account_id, source_id) for source_id in by_source]
    return [(source, sorted(by_source[source.id])) for source in sources]
