"""Connecting a source: the store and its empty boards, in one transaction."""

from datetime import datetime

from app.boards.recount import tend
from app.boards.source import Source, one
from app.database.pools import Connection
from app.sources import stores


async def connect_source(
    conn: Connection, account_id: int, audience_id: int, settings: dict[str, str], now: datetime
) -> Source:
    """A new source with the boards of this day."""
    new = stores.new_source(account_id, audience_id, settings, now)
    source_id = (await conn.execute(new)).scalar_one()
    source = Source(*(await conn.execute(one(account_id, source_id))).one())
    await tend(conn, source, now)
    return source
