"""Store work: the worker's part for stores that connect themselves."""

import asyncio
from dataclasses import dataclass

from app.database.pools import Database
from app.sources.connections import Connections
from app.sources.data_requests import DataRequests, OperatorMailbox
from app.sources.leave_shops import Leaving
from app.sources.pull_orders import Pulls
from app.sources.settle_inbox import Inbox
from app.wire.instants import Clock


@dataclass(frozen=True, slots=True)
class StoreWork:
    """What stores have sent, and what they are asked."""

    inbox: Inbox
    pulls: Pulls
    leaving: Leaving
    requests: DataRequests

    @classmethod
    def on(
        cls,
        database: Database,
        connections: Connections,
        clock: Clock,
        site_url: str | None,
        mailbox: OperatorMailbox | None = None,
    ) -> "StoreWork":
        """The work on a database; `site_url` is where stores reach this service."""
        return cls(
            Inbox(database, connections.vault, connections.connectors, clock),
            Pulls(database, connections, clock, site_url),
            Leaving(database, connections, clock, site_url),
            DataRequests(database, clock, mailbox, site_url),
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Work until told to stop."""
        await asyncio.gather(self.inbox.run(stop), self.pulls.run(stop), self.requests.run(stop))

    async def run_once(self) -> None:
        """Do what is due now."""
        await self.pulls.pull_all()
        await self.inbox.settle_all()
        await self.requests.tell_all()
