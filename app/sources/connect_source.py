"""Connecting a source: the source and its empty boards, in one transaction."""

from collections.abc import Mapping
from datetime import datetime

from app.boards.recount import open_boards, tend
from app.boards.source import Source, read_source
from app.database.pools import Connection
from app.sources.statements import INSERT_SOURCE

UNSAID = dict.fromkeys(
    ("url", "sender_name", "sender_email", "sender_reply_to", "postal_address", "language", "consent_sentence")
)
"""What a store need not say."""


async def connect_source(
    conn: Connection, account_id: int, audience_id: int, settings: Mapping[str, str | None], now: datetime
) -> Source:
    """Store a new source and open the boards of this day."""
    new = UNSAID | dict(settings) | {"account_id": account_id, "audience_id": audience_id, "now": now}
    source_id = (await conn.execute(INSERT_SOURCE, new)).scalar_one()
    source = await read_source(conn, account_id, source_id)
    await open_boards(conn, source, list(source.calendar.kept(now)))  # at once: there are no orders to count yet
    await tend(conn, source, now)
    return source
