"""Deleting a store: from now on it is unknown; the worker removes its rows."""

from datetime import datetime

from app.accounts.deletions import begin_deletion
from app.accounts.schemas import Deletion
from app.boards.source import lock_source
from app.database.pools import Connection
from app.database.rows import change_rows
from app.sources.statements import MARK_SOURCE_DELETED
from app.vocabulary import DeletedNoun


async def begin_store_deletion(conn: Connection, account_id: int, source_id: int, by: str, now: datetime) -> Deletion:
    """Delete a store, by a key of its account or as the store itself asks; UnknownSource where it is gone."""
    await lock_source(conn, account_id, source_id)
    await change_rows(conn, MARK_SOURCE_DELETED, {"account_id": account_id, "source_id": source_id, "now": now})
    return await begin_deletion(conn, account_id, DeletedNoun.SOURCE, source_id, by, now)
