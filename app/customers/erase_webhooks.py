"""Erasing webhooks: what the store has sent about a person goes with the person."""

from collections.abc import Iterable

from sqlalchemy import text

from app.accounts.statements import SELECT_ACCOUNT_SECRET
from app.boards.source import Source
from app.database.pools import Connection
from app.wire.seals import mention

SELECT_MENTIONED = text("""
    SELECT c.external_id AS mentioned FROM customers AS c
    WHERE c.account_id = :account_id AND c.id = :customer_id AND c.external_id IS NOT NULL
    UNION
    SELECT c.email FROM customers AS c
    WHERE c.account_id = :account_id AND c.id = :customer_id AND c.email IS NOT NULL
    UNION
    SELECT e.email FROM addresses AS e WHERE e.account_id = :account_id AND e.customer_id = :customer_id
    UNION
    SELECT o.order_id FROM orders AS o WHERE o.account_id = :account_id AND o.customer_id = :customer_id
""")
"""The ids and addresses by which a store may have named the customer."""

ERASE_WEBHOOKS = text("""
    UPDATE inbox SET content = NULL
    WHERE account_id = :account_id AND source_id = :source_id AND mentions && cast(:mentions AS bigint[])
""")
"""Their hashes stay, so that the same webhook is not stored again."""


async def erase_webhooks(conn: Connection, source: Source, customer_id: int) -> None:
    """Remove the content of every webhook that names the customer; those that wait lose theirs once they are read."""
    person = {"account_id": source.account_id, "customer_id": customer_id}
    await forget_mentions(conn, source, (await conn.execute(SELECT_MENTIONED, person)).scalars().all())


async def forget_mentions(conn: Connection, source: Source, mentioned: Iterable[str]) -> None:
    """Remove the content of every webhook that names one of these ids or addresses."""
    secret: bytes = (await conn.execute(SELECT_ACCOUNT_SECRET, {"account_id": source.account_id})).scalar_one()
    hashes = sorted({mention(secret, each.lower()) for each in mentioned})
    await conn.execute(ERASE_WEBHOOKS, source.key | {"mentions": hashes})
