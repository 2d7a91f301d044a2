"""Rate limits: how many requests a key or a token may make in a minute, counted for all processes together.

A process takes requests of the minute in blocks: one statement leases a share of what is left, and each request then
costs a subtraction in memory. The next block is leased before the last one is used up, so that a request seldom waits.
"""

import asyncio
import math
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
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


def lease_block(table: str, *columns: str) -> str:
    """SQL: the next block of the window that these columns name.

    Blocks grow smaller as the window fills, so that few requests stay with a process that does not need them.
    """
    return f"""
    INSERT INTO {table} AS w ({", ".join(columns)}, began_at, taken, leased)
    VALUES ({", ".join(f":{each}" for each in columns)}, :began_at, :block, :block)
    ON CONFLICT ({", ".join(columns)}) DO UPDATE SET
        began_at = greatest(w.began_at, excluded.began_at),
        leased = CASE WHEN w.began_at < excluded.began_at THEN excluded.leased
                      ELSE greatest(least(:block, :quota - w.taken, greatest((:quota - w.taken) / 4, 1)), 0) END,
        taken = CASE WHEN w.began_at < excluded.began_at THEN excluded.taken
                     ELSE w.taken + greatest(least(:block, :quota - w.taken, greatest((:quota - w.taken) / 4, 1)), 0)
                END
    RETURNING leased, taken"""


LEASE_REQUESTS = text(lease_block("rate_windows", "account_id", "key_id", "limit_name"))
LEASE_REQUESTS_OF_TOKEN = text(lease_block("token_windows", "account_id", "key_id", "token_id", "limit_name"))

SELECT_ACCOUNTS_WITH_OLD_WINDOWS = text("""
    SELECT DISTINCT account_id FROM token_windows WHERE began_at < :expired
""")

DELETE_OLD_WINDOWS = text("DELETE FROM token_windows WHERE account_id = :account_id AND began_at < :expired")
"""Of tokens, of which there may be one for each visitor; a key has one row for each limit for good."""

WINDOWS_KEPT = timedelta(hours=1)


class Requester(NamedTuple):
    """Whose requests are counted: a key; or a token of it, which has a quota of its own. 0 is no quota."""

    account_id: int
    key_id: int
    token_id: int = 0
    requests_per_minute: int = 0


@dataclass(frozen=True, slots=True)
class Quotas:
    """The most requests of a key in a minute, and those of a token that asks for no fewer; 0 is no limit."""

    requests: int = 600
    sends: int = 120
    expensive_reads: int = 120
    tokens: int = 120

    def of(self, requester: Requester, limit: Limit) -> int:
        """The quota of one limit; a token has its own quota of requests, which no other limit exceeds."""
        most = {
            Limit.REQUESTS: 0 if requester.token_id else self.requests,
            Limit.SENDS: self.sends,
            Limit.EXPENSIVE_READS: self.expensive_reads,
        }[limit]
        return min(filter(None, (most, requester.requests_per_minute)), default=0)


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
    """Counts the requests of each key and of each token."""

    def __init__(self, database: Database, quotas: Quotas) -> None:
        """Nothing is leased yet."""
        self._database = database
        self.quotas = quotas
        self._allowances: dict[tuple[Requester, Limit], Allowance] = {}
        self._renewals: set[asyncio.Task[Allowance]] = set()

    async def count(self, requester: Requester, limit: Limit) -> Counted | None:
        """Count a request; None when there is no such limit."""
        quota = self.quotas.of(requester, limit)
        if not quota:
            return None
        allowance = self._allowances.get((requester, limit))
        if allowance is None or allowance.is_over or (allowance.left <= 0 and allowance.unleased):
            allowance = await self._lease(requester, limit)
        is_excess = allowance.left <= 0
        if not is_excess:
            allowance.left -= 1
            if allowance.left <= quota // BLOCKS_OF_A_WINDOW // 2 and allowance.unleased and not allowance.is_renewing:
                allowance.is_renewing = True
                self._lease_early(requester, limit)
        left, seconds, name = allowance.left + allowance.unleased, allowance.seconds, limit.value.encode()
        headers = [
            (b"ratelimit-policy", b'"%s";q=%d;w=%d' % (name, quota, WINDOW_SECONDS)),
            (b"ratelimit", b'"%s";r=%d;t=%d' % (name, left, seconds)),
        ]
        return Counted(is_excess, quota, seconds, headers)

    def _lease_early(self, requester: Requester, limit: Limit) -> None:
        renewal = asyncio.create_task(self._lease(requester, limit))
        self._renewals.add(renewal)  # else nothing would keep it from being collected
        renewal.add_done_callback(self._renewed)

    def _renewed(self, renewal: asyncio.Task[Allowance]) -> None:
        self._renewals.discard(renewal)
        if not renewal.cancelled() and (error := renewal.exception()) is not None:
            log.warning("requests not leased", kind=type(error).__name__)  # the next request tries it again

    async def _lease(self, requester: Requester, limit: Limit) -> Allowance:
        """Lease the next block; what is left of the last one in the same window is kept."""
        quota, now = self.quotas.of(requester, limit), time.time()
        began = now - now % WINDOW_SECONDS
        statement = LEASE_REQUESTS_OF_TOKEN if requester.token_id else LEASE_REQUESTS
        bound = {
            **requester._asdict(),
            "limit_name": limit.value,
            "began_at": datetime.fromtimestamp(began, UTC),
            "block": max(1, quota // BLOCKS_OF_A_WINDOW),
            "quota": quota,
        }
        try:
            async with self._database.count() as conn:
                row = await first_hot_row(conn, statement, bound, AllowanceRow)
        finally:
            known = self._allowances.get((requester, limit))
            if known is not None:
                known.is_renewing = False
        leased, taken = row if row is not None else (0, quota)
        kept = known.left if known is not None and not known.is_over else 0
        ends_at = time.monotonic() + began + WINDOW_SECONDS - now
        if len(self._allowances) >= MOST_ALLOWANCES:
            self._allowances = {each: known for each, known in self._allowances.items() if not known.is_over}
        allowance = Allowance(ends_at, kept + leased, max(0, quota - taken))
        self._allowances[requester, limit] = allowance
        return allowance
