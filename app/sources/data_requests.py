"""Data requests: the operator is told by mail that a person asks what is stored about them, and where to fetch it.

The row is the queue: it commits with the webhook that brought it, and is deleted once the mail was handed over. Until
then it is tried again, later and later. Two mails about one request have the same `Message-ID`.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import text

from app.database.pools import Database
from app.database.rows import all_rows
from app.mail.contract import Accepted, Address, Mail, Mailer
from app.problems import log, places
from app.wire.ids import public_id
from app.wire.instants import Clock, rfc3339
from app.wire.text import fit_for_header

TELL_SECONDS = 5.0
FIRST_TELL_PAUSE, LONGEST_TELL_PAUSE = timedelta(minutes=2), timedelta(hours=8)
TELL_DAYS = timedelta(days=30)
"""How long the operator is tried to be told: the platforms want an answer by then."""
TOLD_AT_ONCE = 50

INSERT_DATA_REQUEST = text("""
    INSERT INTO data_requests (account_id, source_id, customers, asked_at, tell_at)
    VALUES (:account_id, :source_id, :customers, :asked_at, :now)
""")


class DataRequest(NamedTuple):
    """A request of which the operator is to be told."""

    account_id: int
    id: int
    source_id: int
    store: str
    customers: Sequence[int]
    asked_at: datetime
    tell_at: datetime
    tries: int


SELECT_DATA_REQUESTS = text("""
    SELECT r.account_id, r.id, r.source_id, s.name AS store, r.customers, r.asked_at, r.tell_at, r.tries
    FROM data_requests AS r JOIN sources AS s ON s.account_id = r.account_id AND s.id = r.source_id
    WHERE r.tell_at <= :now AND s.deleted_at IS NULL
    ORDER BY r.tell_at LIMIT :limit
""")
"""Those of all accounts of which the worker tells now."""

CLAIM_DATA_REQUEST = text("""
    UPDATE data_requests SET tell_at = :next, tries = tries + 1
    WHERE account_id = :account_id AND id = :id AND tell_at = :tell_at
""")
"""Changes no row when another worker was faster; when this one dies, the request is taken up at the next time."""

DELETE_DATA_REQUEST = text("DELETE FROM data_requests WHERE account_id = :account_id AND id = :id")


@dataclass(frozen=True, slots=True)
class OperatorMailbox:
    """The operator's address, from which and to which is written, and how mails are handed over."""

    address: str
    mailer: Mailer


@dataclass(frozen=True, slots=True)
class DataRequests:
    """What is needed to tell the operator; without a mailbox the log has told it."""

    database: Database
    clock: Clock
    mailbox: OperatorMailbox | None
    site_url: str | None

    async def run(self, stop: asyncio.Event) -> None:
        """Tell of what arrives until told to stop."""
        while not stop.is_set():
            try:
                await self.tell_all()
            except Exception as error:  # noqa: BLE001 - whatever fails now may work in the next round
                log.error("telling of data requests failed", kind=type(error).__name__, at=places(error))
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), TELL_SECONDS)

    async def tell_all(self) -> None:
        """Tell of every request that is due now."""
        due = {"now": self.clock(), "limit": TOLD_AT_ONCE}
        async with self.database.write() as conn:  # a replica may still show what was told
            requests = await all_rows(conn, SELECT_DATA_REQUESTS, due, DataRequest)
        for each in requests:
            await self._tell(each)

    async def _tell(self, request: DataRequest) -> None:
        now, key = self.clock(), {"account_id": request.account_id, "id": request.id}
        claim = key | {"tell_at": request.tell_at, "next": now + _pause(request.tries)}
        async with self.database.write() as conn:
            if (await conn.execute(CLAIM_DATA_REQUEST, claim)).rowcount == 0:
                return
        is_done = self.mailbox is None or await self._send(request, self.mailbox)
        if not is_done and now > request.asked_at + TELL_DAYS:
            log.error("data request was not told", source_id=request.source_id)
            is_done = True
        if is_done:
            async with self.database.write() as conn:
                await conn.execute(DELETE_DATA_REQUEST, key)

    async def _send(self, request: DataRequest, mailbox: OperatorMailbox) -> bool:
        """Whether the mail was handed over."""
        outcome = await mailbox.mailer.send(request_mail(request, mailbox.address, self.site_url or ""))
        if isinstance(outcome, Accepted):
            log.info("data request told", source_id=request.source_id)
            return True
        log.warning("data request not told yet", source_id=request.source_id, code=outcome.code)
        return False


def _pause(tries: int) -> timedelta:
    doubled: timedelta = FIRST_TELL_PAUSE * 2 ** min(tries, 10)
    return min(doubled, LONGEST_TELL_PAUSE)


def request_mail(request: DataRequest, address: str, site_url: str) -> Mail:
    """The mail to the operator; it holds ids only, nothing of the person."""
    source = public_id("src", request.source_id)
    fetched = [f"    GET {site_url}/customers/{public_id('cus', each)}/export" for each in request.customers]
    where = ["Fetch it with an API key of the account:", "", *fetched] if fetched else ["Nothing is stored about them."]
    lines = [
        f"A customer of the store {fit_for_header(request.store)} ({source}) asks what is stored about them.",
        "",
        *where,
        "",
        f"The store passed the request on at {rfc3339(request.asked_at)}. Answer it within 30 days.",
    ]
    name = f"{public_id('acc', request.account_id)}.data-request-{request.id}"
    return Mail(
        reference=name,
        message_id=f"<{name}.{request.asked_at.timestamp():.0f}@{address.rpartition('@')[2]}>",
        date=request.asked_at,
        sender=Address(address),
        reply_to=None,
        recipient=Address(address),
        subject=f"{source}: a customer asks for their data",
        text="\n".join(lines) + "\n",
        html=None,
    )
