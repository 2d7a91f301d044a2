"""Daily caps: how many mails an account may queue on a day, marketing and transactional ones apart.

A day is one of UTC. Mails count when they are queued, in the transaction that queues them.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from math import ceil
from typing import Annotated, NamedTuple

from sqlalchemy import text

from app.database.pools import Connection
from app.database.rows import first_row
from app.problems import Problem
from app.services import provided
from app.vocabulary import MessageKind


class DailyCapReached(Problem):
    """The account has queued as many messages of this kind as it may on one day; it can go on at midnight UTC."""

    slug = "daily-cap-reached"
    title = "The day's messages are used up"
    status = 429

    def __init__(self, retry_after_seconds: int = 3_600) -> None:
        """The wait goes into the Retry-After header."""
        super().__init__(headers={"Retry-After": str(retry_after_seconds)})


@dataclass(frozen=True, slots=True)
class DailyCaps:
    """The most mails that an account may queue on a day; 0 is no limit."""

    marketing: int = 0
    transactional: int = 0

    def of(self, kind: str) -> int:
        """The cap of one kind."""
        return self.marketing if kind == MessageKind.MARKETING else self.transactional


NO_CAPS = DailyCaps()
Caps = Annotated[DailyCaps, provided(DailyCaps)]


class QueuedOfDay(NamedTuple):
    """How many mails an account has queued on a day."""

    day: date
    queued: int


ADD_QUEUED_MAILS = text("""
    INSERT INTO daily_mails AS d (account_id, kind, day, queued) VALUES (:account_id, :kind, :day, :mails)
    ON CONFLICT (account_id, kind) DO UPDATE SET
        day = greatest(d.day, excluded.day),
        queued = CASE WHEN d.day < excluded.day THEN excluded.queued ELSE d.queued + excluded.queued END
        WHERE d.day < excluded.day OR d.queued + excluded.queued <= :most
    RETURNING day, queued
""")
"""Returns no row when they would be too many."""


async def count_mails(conn: Connection, account_id: int, kind: str, mails: int, caps: DailyCaps, now: datetime) -> None:
    """Count mails that are being queued; DailyCapReached, which queues none of them, when they are too many.

    It locks the account's counter, so it is the last thing to do before the answer.
    """
    most = caps.of(kind)
    if not most or not mails:
        return
    day = now.astimezone(UTC).date()
    bound = {"account_id": account_id, "kind": kind, "day": day, "mails": mails, "most": most}
    if mails > most or await first_row(conn, ADD_QUEUED_MAILS, bound, QueuedOfDay) is None:
        tomorrow = datetime.combine(day + timedelta(days=1), time(), UTC)
        raise DailyCapReached(max(1, ceil((tomorrow - now).total_seconds())))
