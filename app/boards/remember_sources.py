"""Remembering sources: what a page needs of its store costs no look-up each time."""

import time

from app.boards.source import Source, UnknownSource, one
from app.database.pools import Database

REMEMBERED_SECONDS = 5.0
REMEMBERED_SOURCES = 10_000


class Sources:
    """The sources of the last seconds, so that a page costs no look-up of its store.

    A changed zone or first day of the week is known to every process within that time.
    """

    def __init__(self) -> None:
        """None is known yet."""
        self._known: dict[tuple[int, int], tuple[float, Source]] = {}

    async def read(self, database: Database, account_id: int, source_id: int) -> Source:
        """The source of this account; UnknownSource for any other."""
        known = self._known.get((account_id, source_id))
        if known is not None and known[0] > time.monotonic():
            return known[1]
        async with database.read() as conn:
            row = (await conn.execute(one(account_id, source_id))).one_or_none()
        if row is None:
            raise UnknownSource
        source = Source(*row)
        if len(self._known) >= REMEMBERED_SOURCES:
            self._known.clear()
        self._known[account_id, source_id] = (time.monotonic() + REMEMBERED_SECONDS, source)
        return source

    def forget(self, account_id: int, source_id: int) -> None:
        """Read it afresh next time."""
        self._known.pop((account_id, source_id), None)
