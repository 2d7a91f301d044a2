"""Leaving shops: the shop of a deleted source is asked to send no webhooks any more, while its credentials are there.

This is a courtesy and never delays a deletion for long: a shop that does not answer soon is left as it is. What it
sends is answered 404 then, and it gives up.
"""

import asyncio
from dataclasses import dataclass

from app.database.pools import Database
from app.database.rows import all_rows
from app.problems import log
from app.sources.connections import Connections, hook_address
from app.sources.connector import LoginRefusedError, ShopAccess, TryLaterError, UnreadableDeliveryError
from app.sources.pull_statements import SELECT_LEFT_CONNECTIONS, SET_LEFT, LeftConnection
from app.sources.secrets import decrypted
from app.vault import CannotDecryptError
from app.web.calls import CallFailedError
from app.wire.instants import Clock

LEAVING_SECONDS = 15.0
LEFT_AT_ONCE = 8
NOT_LEFT = (
    *(TimeoutError, CallFailedError, LoginRefusedError, TryLaterError),
    *(CannotDecryptError, UnreadableDeliveryError),
)
"""What may keep a shop from being asked."""


@dataclass(frozen=True, slots=True)
class Leaving:
    """What is needed to leave shops."""

    database: Database
    connections: Connections
    clock: Clock
    site_url: str | None

    async def leave(self, account_id: int, source_id: int | None = None) -> None:
        """Leave the shop of a deleted source, or those of all sources of a deleted account."""
        owner = {"account_id": account_id}
        async with self.database.write() as conn:
            left = await all_rows(conn, SELECT_LEFT_CONNECTIONS, owner | {"source_id": source_id}, LeftConnection)
        at_once = asyncio.Semaphore(LEFT_AT_ONCE)

        async def leave_one(each: LeftConnection) -> None:
            async with at_once:
                await self._leave_shop(account_id, each)

        await asyncio.gather(*map(leave_one, left))
        for each in left:
            async with self.database.write() as conn:
                await conn.execute(SET_LEFT, owner | {"source_id": each.source_id, "now": self.clock()})

    async def _leave_shop(self, account_id: int, each: LeftConnection) -> None:
        connector = self.connections.connectors.find(each.platform)
        try:
            known = decrypted(self.connections.vault, account_id, each.source_id, each.secrets)
            if connector is None or self.site_url is None or not known.credentials:
                return
            access = ShopAccess(self.connections.web, known.credentials, self.clock)
            async with asyncio.timeout(LEAVING_SECONDS):
                await connector.unsubscribe(access, hook_address(self.site_url, each.source_id, each.platform))
        except NOT_LEFT as failed:
            reason = failed.code if isinstance(failed, CallFailedError) else type(failed).__name__
            log.warning("webhooks not cancelled", source_id=each.source_id, reason=reason)
        else:
            log.info("webhooks cancelled", source_id=each.source_id)
