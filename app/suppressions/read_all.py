"""Reading all suppressions: the suppressed addresses of an account, for a file."""

from collections.abc import AsyncGenerator, Sequence
from typing import Any

from app.boards.conditional import ROWS_AT_ONCE
from app.database.pools import Database
from app.suppressions.statements import SELECT_ALL_SUPPRESSIONS
from app.wire.instants import rfc3339

FILE_COLUMNS = ("address", "reason", "since", "by")


async def all_suppressions(database: Database, account_id: int) -> AsyncGenerator[Sequence[Any], None]:
    """The cells of every suppressed address that is known, as they were at one moment."""
    async with database.snapshot() as conn:
        result = await conn.stream(SELECT_ALL_SUPPRESSIONS, {"account_id": account_id})
        async for some in result.partitions(ROWS_AT_ONCE):
            yield [(address, reason, rfc3339(since), by) for address, reason, since, by in some]
