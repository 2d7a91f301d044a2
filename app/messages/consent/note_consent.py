"""Noting consent: what a link or a report says of whoever a message is to, though they may be merged just then.

It is said of the address: of every customer of the account who is written to there.
"""

from datetime import datetime
from typing import Any

from app.boards import source as source_statements
from app.boards.source import Source
from app.customers import directory
from app.customers.change_consent import change_consent
from app.database.pools import Connection, Database
from app.mail.addressing import is_another
from app.messages import correspondence
from app.messages.consent.unsubscribe_token import Recipient


async def note_consent(
    database: Database, who: Recipient, marketing: str, changed_by: str, now: datetime, *, address: str | None = None
) -> None:
    """Change the consent of whom the message is to, and of nobody where they are erased.

    With an `address` it is said of that alone, which need not be theirs any more.

    Whoever waits for the turn of their source may find them merged away by the import before it: then the
    message is their heir's, who is asked for anew.
    """
    while (recipient := await _recipient(database, who)) is not None:
        if address is not None and is_another(address, recipient.email):
            return
        reached: set[int] = set()
        for source, customers in await _at_their_address(database, who.account_id, recipient):
            async with database.write_in_turn(source.id) as conn:
                reached.update(await change_consent(conn, source, customers, marketing, changed_by, now))
        if recipient.id in reached:
            return


async def _recipient(database: Database, who: Recipient) -> Any:  # noqa: ANN401 - a row of directory.ONE, or nothing
    """Whom a message is to: read where it is written, for a replica may name for long who is gone."""
    async with database.write() as conn:
        person = {"account_id": who.account_id, "customer_id": who.customer_id}
        return (await conn.execute(directory.ONE, person)).one_or_none() or await _heir(conn, who)


async def _heir(conn: Connection, who: Recipient) -> Any:  # noqa: ANN401 - the same
    """Whom a guest has become part of since: the message is theirs now."""
    message = {"account_id": who.account_id, "id": who.message_id}
    row = (await conn.execute(correspondence.ONE, message)).one_or_none()
    if row is None or row.customer_id is None:
        return None
    heir = {"account_id": who.account_id, "customer_id": row.customer_id}
    return (await conn.execute(directory.ONE, heir)).one_or_none()


async def _at_their_address(
    database: Database,
    account_id: int,
    recipient: Any,  # noqa: ANN401 - a row of directory.ONE
) -> list[tuple[Source, list[int]]]:
    """The recipient and everybody else with that address, by store."""
    by_store = {recipient.source_id: {recipient.id}}
    async with database.write() as conn:
        for row in await conn.execute(directory.OF_ADDRESS, {"account_id": account_id, "email": recipient.email}):
            by_store.setdefault(row.source_id, set()).add(row.id)
        stores = [(await conn.execute(source_statements.one(account_id, store))).one() for store in by_store]
    return [(Source(*store), sorted(by_store[store.id])) for store in stores]
