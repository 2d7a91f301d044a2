"""Rate limits: how many requests a key may make in a minute, counted for all processes together.

A process takes requests of the minute in blocks: one statement leases a share of what is left, and each request then
costs a subtraction in memory. The next block is leased before the last one is used up, so that a request seldom waits.
"""

import asyncio
import math
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from sqlalchemy import text

from app.database.driver import first_hot_row
from app.database.pools import Database
from app.problems import log
from app.vocabulary import Limit

WINDOW_SECONDS = 60
BLOCKS_OF_A_WINDOW = 20
MOST_ALLOWANCES = 20_000


class AllowanceRow(NamedTuple):
    """How many requests this process has leased, and how many of the window are taken in all."""

    leased: int
    taken: int


LEASE_REQUESTS = text("""
    INSERT INTO rate_windows AS w (account_id, key_id, limit_name, began_at, taken, leased)
    VALUES (:account_id, :key_id, :limit_name, :began_at, :block, :block)
    ON CONFLICT (account_id, key_id, limit_name) DO UPDATE SET
        began_at = greatest(w.began_at, excluded.began_at),
        leased = CASE WHEN w.began_at < excluded.began_at THEN excluded.leased
                      ELSE greatest(least(:block, :quota - w.taken, greatest((:quota - w.taken) / 4, 1)), 0) END,
        taken = CASE WHEN w.began_at < excluded.began_at THEN excluded.taken
                     ELSE w.taken + greatest(least(:block, :quota - w.taken, greatest((:quota - w.taken) / 4, 1)), 0)
                END
    RETURNING leased, taken
""")
"""Blocks grow smaller as the window fills, so that few requests stay with a process that does not need them."""


@dataclass(frozen=True, slots=True)
class Quotas:
    """The most requests of a key in a minute; 0 is no limit."""

    requests: int = 600
    sends: int = 120
    expensive_reads: int = 120

    def of(self, limit: Limit) -> int:
        """The quota of one limit."""
        return {
            Limit.REQUESTS: self.requests,
            Limit.SENDS: self.sends,
            Limit.EXPENSIVE_READS: self.expensive_reads,
        }[limit]


@dataclass(slots=True)
class Allowance:
    """The requests of a window that this process may still let in, and those that nobody has leased."""

    ends_at: float
    left: int
    unleased: int
    is_renewing: bool = False

    @property
    def is_over(self) -> bool:
        """Whether the window has ended."""
        return time.monotonic() >= self.ends_at

    @property
    def seconds(self) -> int:
        """How long the window still lasts, rounded up."""
        return max(1, math.ceil(self.ends_at - time.monotonic()))


class Counted(NamedTuple):
    """A request that was counted: whether it is one too many, how long the window lasts, what the answer tells."""

    is_excess: bool
    quota: int
    seconds: int
    headers: list[tuple[bytes, bytes]]


class RateLimits:
    """Counts the requests of each key."""

    def __init__(self, database: Database, quotas: Quotas) -> None:
        """Nothing is leased yet."""
        self._database = database
        self._quotas = quotas
        self._allowances: dict[tuple[int, Limit], Allowance] = {}
        self._renewals: set[asyncio.Task[Allowance]] = set()

    async def count(self, account_id: int, key_id: int, limit: Limit) -> Counted | None:
        """Count a request; None when there is no such limit."""
        quota = self._quotas.of(limit)
        if not quota:
            return None
        allowance = self._allowances.get((key_id, limit))
        if allowance is None or allowance.is_over or (allowance.left <= 0 and allowance.unleased):
            allowance = await self._lease(account_id, key_id, limit)
        is_excess = allowance.left <= 0
        if not is_excess:
            allowance.left -= 1
            if allowance.left <= quota // BLOCKS_OF_A_WINDOW // 2 and allowance.unleased and not allowance.is_renewing:
                allowance.is_renewing = True
                self._lease_early(account_id, key_id, limit)
        left, seconds, name = allowance.left + allowance.unleased, allowance.seconds, limit.value.encode()
        headers = [
            (b"ratelimit-policy", b'"%s";q=%d;w=%d' % (name, quota, WINDOW_SECONDS)),
            (b"ratelimit", b'"%s";r=%d;t=%d' % (name, left, seconds)),
        ]
        return Counted(is_excess, quota, seconds, headers)

    def _lease_early(self, account_id: int, key_id: int, limit: Limit) -> None:
        renewal = asyncio.create_task(self._lease(account_id, key_id, limit))
        self._renewals.add(renewal)  # else nothing would keep it from being collected
        renewal.add_done_callback(self._renewed)

    def _renewed(self, renewal: asyncio.Task[Allowance]) -> None:
        self._renewals.discard(renewal)
        if not renewal.cancelled() and (error := renewal.exception()) is not None:
            log.warning("requests not leased", kind=type(error).__name__)  # the next request tries it again

    async def _lease(self, account_id: int, key_id: int, limit: Limit) -> Allowance:
        """Lease the next block; what is left of the last one in the same window is kept."""
        quota, now = self._quotas.of(limit), time.time()
        began = now - now % WINDOW_SECONDS
        bound = {
            "account_id": account_id,
            "key_id": key_id,
            "limit_name": limit.value,
            "began_at": datetime.fromtimestamp(began, UTC),
            "block": max(1, quota // BLOCKS_OF_A_WINDOW),
            "quota": quota,
        }
        try:
            async with self._database.count() as conn:
                row = await first_hot_row(conn, LEASE_REQUESTS, bound, AllowanceRow)
        finally:
            known = self._allowances.get((key_id, limit))
            if known is not None:
                known.is_renewing = False
        leased, taken = row if row is not None else (0, quota)
        kept = known.left if known is not None and not known.is_over else 0
        ends_at = time.monotonic() + began + WINDOW_SECONDS - now
        if len(self._allowances) >= MOST_ALLOWANCES:
            self._allowances = {each: known for each, known in self._allowances.items() if not known.is_over}
        allowance = Allowance(ends_at, kept + leased, max(0, quota - taken))
        self._allowances[key_id, limit] = allowance
        return allowance
