"""Merging by request: two customers of a store turn out to be one person."""

from datetime import datetime

from app.boards.recount import refresh
from app.boards.source import Counts, Source, add_to_counts, lock_source
from app.database.pools import Connection
from app.database.rows import all_rows
from app.orders import customer_statements as statements
from app.orders.customer_statements import KnownCustomer
from app.orders.resolve_customers import Person, Resolved, merge_rows, store_persons


async def merge_customers(conn: Connection, source: Source, merged_id: int, heir_id: int, now: datetime) -> bool:
    """Give orders, addresses, messages and consent of one customer to the other; False when they are not two.

    The heir's own contact data stay; what only the merged customer has is taken over. Of their choices about offers
    the weightier and newer one counts.
    """
    await lock_source(conn, source.account_id, source.id)
    bound = source.key | {"external_ids": [], "ids": sorted([merged_id, heir_id])}
    known = await all_rows(conn, statements.SELECT_KNOWN_CUSTOMERS, bound, KnownCustomer)
    persons = {row.id: Person(*row) for row in known}
    if len(persons) < 2:  # noqa: PLR2004 - one is gone, or both ids are of one customer
        return False
    heir, merged = persons[heir_id], persons[merged_id]
    heir.inherit(merged)
    heir.take_missing(merged)
    resolved = Resolved()
    await store_persons(conn, source, resolved, [heir], now)
    moved = source.key | {"customer_id": merged_id, "heir": heir_id}
    await conn.execute(statements.REASSIGN_ADDRESSES_OF_CUSTOMER, moved)
    await conn.execute(statements.REASSIGN_ORDERS_OF_CUSTOMER, moved)
    await merge_rows(conn, source, {merged_id: heir_id}, now)
    await add_to_counts(conn, source, Counts(), contacts_changed=True)
    await refresh(conn, source, sorted([merged_id, heir_id]))
    return True
