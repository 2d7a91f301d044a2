"""Claiming messages: a worker takes some of an account's that are due, in one short transaction.

That is when sending begins: consent, plan and erasure are looked at for the last time, under
locks on the customers. Nothing here waits for anybody else; what is locked is taken later.
"""

import math
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from app.database.driver import all_rows
from app.database.pools import Connection
from app.mail.contract import Mail
from app.messages import outbox
from app.messages.consent.messageable import objection
from app.messages.sending.compose_mail import Site, composed

SUSPICIOUS_CRASHES = 2
"""A message that was being sent in so many crashes is sent alone: the others need not die with it."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How a worker sends."""

    concurrency: int = 20
    rate_per_second: float = 100.0
    burst: int = 500
    lease_seconds: float = 60.0
    most_crashes: int = 5


@dataclass(frozen=True, slots=True)
class Claimed:
    """A message that this worker sends as long as it holds the lease, with the rows that the mail is made of."""

    account_id: int
    id: int
    customer_id: int
    lease: int
    attempts: int
    started_at: datetime
    first_tried_at: datetime
    message: Any
    person: Any
    sender: Any

    @property
    def address(self) -> str:
        """Where it goes."""
        address: str = self.person.email
        return address

    def composed(self, site: Site) -> Mail:
        """The mail, complete."""
        return composed(self.account_id, self.message, self.person, self.sender, site)


@dataclass(frozen=True, slots=True)
class Taken:
    """What a claim gave, and how many it closed; `is_suspicious` when one goes with no other in flight."""

    messages: tuple[Claimed, ...] = ()
    closed: int = 0
    is_suspicious: bool = False


NOTHING = Taken()


async def claim(
    conn: Connection,
    account_id: int,
    *,
    most: int,
    alone: bool,
    limits: Limits,
    now: datetime,
    in_flight: Sequence[int] = (),
) -> Taken:
    """Take up to `most` messages of the account that are not `in_flight` here; `alone` when none of any account is."""
    account = {"account_id": account_id}
    # This one begins the transaction; the statements after it may therefore go to the driver itself.
    sender = (await conn.execute(outbox.SENDER_LOCKED, account)).one_or_none()
    if sender is None:
        return NOTHING
    if sender.plan != "paid":
        await conn.execute(outbox.UNPAID_CANCELLED, account | {"now": now})
        return NOTHING
    if sender.paused_until is not None:  # one shows whether the login is still refused
        most = 0 if sender.paused_until > now or in_flight else 1
    allowed = min(most, allowance(sender.rate_used_until, now, limits))
    if allowed < 1:
        return NOTHING
    asked = {"now": now, "most": allowed, "in_flight": [*in_flight]}
    rows = await all_rows(conn, outbox.DUE, account | asked)
    suspects = [row for row in rows if crashes_of(row) >= SUSPICIOUS_CRASHES]
    if suspects:
        rows = suspects[:1] if alone else [row for row in rows if row not in suspects]
    taken = await _started(conn, account_id, sender, rows, limits, now)
    return replace(taken, is_suspicious=bool(suspects))


def crashes_of(row: Any) -> int:  # noqa: ANN401 - a row of outbox.DUE
    """In how many crashes it was being sent: one that is due while `sending` has lost its worker."""
    crashes: int = row.crashes + (row.status == "sending")
    return crashes


def allowance(rate_used_until: datetime, now: datetime, limits: Limits) -> int:
    """How many messages the account may send now: its rate may run ahead by the burst."""
    ahead = max((rate_used_until - now).total_seconds(), 0.0)
    return math.floor(limits.burst - ahead * limits.rate_per_second + 1e-6)


async def _started(
    conn: Connection,
    account_id: int,
    sender: Any,  # noqa: ANN401 - a row of outbox.SENDER_LOCKED
    rows: Sequence[Any],
    limits: Limits,
    now: datetime,
) -> Taken:
    """The messages that may go, marked as being sent; the others closed."""
    account = {"account_id": account_id}
    customers = [row.customer_id for row in rows if row.customer_id is not None]
    found = await all_rows(conn, outbox.PEOPLE, account | {"customers": customers}) if customers else ()
    people = {person.id: person for person in found}
    lease = secrets.randbits(62)
    closed: list[tuple[int, str, str, int]] = []
    claimed: list[Claimed] = []
    for row in rows:
        reason = closing(row, people, limits)
        if reason is not None:
            closed.append((row.id, *reason, crashes_of(row)))
        elif row.customer_id in people:
            tried, person = row.first_tried_at if row.attempts else now, people[row.customer_id]
            known = (account_id, row.id, row.customer_id, lease, row.attempts, now, tried)
            claimed.append(Claimed(*known, row, person, sender))
    crashes = {row.id: crashes_of(row) for row in rows}
    if closed:
        names = ("ids", "statuses", "reasons", "crashes")
        arrays = {name: list(column) for name, column in zip(names, zip(*closed, strict=True), strict=True)}
        await conn.execute(outbox.CLOSED, account | {"now": now} | arrays)
    if claimed:
        until = now + timedelta(seconds=limits.lease_seconds)
        ids = [each.id for each in claimed]
        begun = {"lease": lease, "lease_until": until, "now": now, "ids": ids, "crashes": [crashes[id_] for id_ in ids]}
        await all_rows(conn, outbox.STARTED, account | begun)
        used = max(sender.rate_used_until, now) + timedelta(seconds=len(claimed) / limits.rate_per_second)
        await all_rows(conn, outbox.RATE_USED, account | {"until": used})
    return Taken(tuple(claimed), len(closed))


def closing(row: Any, people: dict[int, Any], limits: Limits) -> tuple[str, str] | None:  # noqa: ANN401 - rows
    """`(status, reason)` of a message that is not to be sent; nothing for one that may be, or that has to wait."""
    if row.customer_id is None:
        return "cancelled", "erased"
    if crashes_of(row) >= limits.most_crashes:
        return "held", "crashed"
    person = people.get(row.customer_id)
    if person is None:
        return None
    reason = objection(row.kind, person.email, person.marketing)
    if reason is None:
        return None
    return "cancelled", "consent_withdrawn" if reason in {"unsubscribed", "non_subscribed"} else reason
