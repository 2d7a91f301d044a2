"""Keeping leases: mails that take long keep their leases as long as this process lives."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import timedelta

from app.database.pools import Database
from app.messages.queue_statements import EXTEND_LEASES
from app.messages.sending.claim_messages import Claimed
from app.problems import log
from app.wire.instants import Clock

HEARTBEATS_PER_LEASE = 3


async def keep_leases(
    database: Database, in_flight: Callable[[], Iterable[Claimed]], clock: Clock, lease_seconds: float
) -> None:
    """Extend the leases of what is in flight, some times a lease, until cancelled."""
    while True:
        await asyncio.sleep(lease_seconds / HEARTBEATS_PER_LEASE)
        by_account: dict[int, list[Claimed]] = defaultdict(list)
        for each in in_flight():
            by_account[each.account_id].append(each)
        until = clock() + timedelta(seconds=lease_seconds)
        for account_id, some in by_account.items():
            some.sort(key=lambda each: each.id)  # every transaction locks several messages in this order
            leases = {"ids": [each.id for each in some], "leases": [each.lease for each in some]}
            try:
                async with database.write() as conn:
                    await conn.execute(EXTEND_LEASES, leases | {"account_id": account_id, "lease_until": until})
            except Exception as error:  # noqa: BLE001 - whatever it is, the next heartbeat may work
                log.error("leases not kept", kind=type(error).__name__)
