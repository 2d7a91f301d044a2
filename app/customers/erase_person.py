"""Erasing a person: name, addresses and ids go for good, the orders stay as figures of no one."""

from datetime import datetime

from app.boards.recount import refresh
from app.boards.source import SET_ERASED_AT, Counts, Source, add_to_counts, lock_source
from app.customers import statements
from app.customers.erase_webhooks import erase_webhooks
from app.database.pools import Connection
from app.database.rows import change_rows
from app.orders.customer_statements import LOCK_MESSAGES
from app.suppressions.suppress import forget_addresses
from app.wire.ids import public_id


async def erase_person(conn: Connection, source: Source, customer_id: int, now: datetime) -> bool:
    """Erase the customer and close the gap on the boards; False when there is no such customer any more.

    Of a suppressed address the hash stays, so that nobody writes to it.
    """
    await lock_source(conn, source.account_id, source.id)
    person = {"account_id": source.account_id, "customer_id": customer_id}
    if (await conn.execute(statements.LOCK_CUSTOMER, person)).one_or_none() is None:
        return False
    await erase_webhooks(conn, source, customer_id)
    anonymised = person | {"source_id": source.id, "now": now}
    counted = (await conn.execute(statements.ANONYMISE_ORDERS, anonymised)).scalars().all()
    await refresh(conn, source, [customer_id])
    await _erase_messages(conn, person, now)
    addresses = (await conn.execute(statements.SELECT_ALL_ADDRESSES, person)).scalars().all()
    owned = (await conn.execute(statements.DELETE_ADDRESSES, person)).scalars().all()
    for delete in (
        statements.DELETE_CONSENT_CHANGES,
        statements.DELETE_OUTDATED_STANDING,
        statements.DELETE_MERGED_IDS,
        statements.DELETE_CUSTOMER,
    ):
        await conn.execute(delete, person)
    await conn.execute(statements.REASSIGN_ADDRESSES, source.key | {"addresses": owned})
    await forget_addresses(conn, source.account_id, addresses)
    await change_rows(conn, SET_ERASED_AT, source.key | {"now": now})
    await add_to_counts(conn, source, Counts(unattributed=sum(counted)), contacts_changed=True)
    return True


async def _erase_messages(conn: Connection, person: dict[str, int], now: datetime) -> None:
    """Remove the content of messages to the person, and the stored answers about those messages."""
    await conn.execute(LOCK_MESSAGES, person | {"ids": [person["customer_id"]]})
    messages = (await conn.execute(statements.ERASE_MESSAGES, person | {"now": now})).scalars().all()
    locations = [f"/messages/{public_id('msg', message)}" for message in messages]
    await conn.execute(statements.DELETE_ATTEMPTS, person | {"messages": messages})
    await conn.execute(statements.DELETE_KEPT_ANSWERS, person | {"locations": locations})
