"""Erasing a person: name, addresses and ids go for good, the orders stay as figures of no one."""

from datetime import datetime

from app.boards import source as source_statements
from app.boards.recount import lock, refresh
from app.boards.source import Source
from app.customers import directory
from app.database.pools import Connection
from app.orders import people
from app.wire.ids import public_id


async def erase_person(conn: Connection, source: Source, customer_id: int, now: datetime) -> bool:
    """Forget the customer, and let the boards close up; False where there was none (any more)."""
    await lock(conn, source)
    person = {"account_id": source.account_id, "customer_id": customer_id}
    if (await conn.execute(directory.ONE_LOCKED, person)).one_or_none() is None:
        return False
    orders = (await conn.execute(directory.ORDERS_ANONYMISED, person | {"source_id": source.id, "now": now})).all()
    await refresh(conn, source, [customer_id])
    addresses = (await conn.execute(directory.ADDRESSES, person)).scalars().all()
    await conn.execute(people.MESSAGES_LOCKED, person | {"ids": [customer_id]})
    messages = (await conn.execute(directory.MESSAGES_FORGOTTEN, person | {"now": now})).scalars().all()
    locations = [f"/messages/{public_id('msg', message)}" for message in messages]
    for statement in (*directory.ANSWERS_FORGOTTEN, *directory.FORGOTTEN):
        await conn.execute(statement, person | {"messages": messages, "locations": locations})
    await conn.execute(directory.INHERITED, source.key | {"addresses": addresses})
    await conn.execute(source_statements.erased(source.account_id, source.id, now))
    ownerless = sum(order.counted for order in orders)
    await conn.execute(
        source_statements.counted(
            source.account_id, source.id, orders=0, unattributed=ownerless, foreign_currency=0, contacts=True
        )
    )
    return True
