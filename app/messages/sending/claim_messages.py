"""Claiming messages: a worker leases some of one account's due messages in a short transaction.

Sending begins here: consent, plan and erasure are checked for the last time, under locks on the
recipients. A claim never waits for a lock; what is locked is claimed later.
"""

import math
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple

from app.accounts.sender_domains import verified_among
from app.boards.address_word import hash_of_address
from app.database.driver import execute_hot, hot_rows
from app.database.pools import Connection
from app.database.rows import first_row
from app.mail.contract import Mail
from app.messages.consent.messageable import objection
from app.messages.identity import Identity, identity_of
from app.messages.queue_statements import (
    CANCEL_UNPAID_MESSAGES,
    CLAIM_DUE,
    CLOSE_MESSAGES,
    LOCK_RECIPIENTS,
    LOCK_SENDER,
    MARK_SENDING,
    POSTPONE_MESSAGES,
    SET_RATE_USED,
    DueMessage,
    LockedRecipient,
    LockedSender,
)
from app.messages.sending.compose_mail import Site, compose_mail, unsubscribe_link
from app.vocabulary import Marketing, MessageStatus, Plan

UNVERIFIED = "sender_domain_not_verified"
UNVERIFIED_WAIT, LONGEST_UNVERIFIED_WAIT = timedelta(minutes=5), timedelta(days=1)
"""How long a message waits for its sender's domain to be verified: until it is looked at again, and in all."""

SUSPICIOUS_CRASHES = 2
"""After this many crashes a message is sent alone, so that it cannot take others down with it."""


@dataclass(frozen=True, slots=True)
class SendingLimits:
    """The limits of a worker."""

    concurrency: int = 20
    rate_per_second: float = 100.0
    burst: int = 500
    lease_seconds: float = 60.0
    most_crashes: int = 5
    domains_must_be_verified: bool = False


@dataclass(frozen=True, slots=True)
class Claimed:
    """A message that this worker sends as long as it holds the lease, with the rows that the mail is composed of."""

    account_id: int
    lease: int
    started_at: datetime
    message: DueMessage
    recipient: LockedRecipient
    sender: LockedSender
    identity: Identity

    @property
    def id(self) -> int:
        """The message's row id."""
        return self.message.id

    @property
    def first_tried_at(self) -> datetime:
        """When the first attempt began."""
        if self.message.attempts and self.message.first_tried_at is not None:
            return self.message.first_tried_at
        return self.started_at

    def mail(self, site: Site) -> Mail:
        """The mail, complete."""
        link = unsubscribe_link(self.account_id, self.message, self.recipient, self.sender.cursor_secret, site)
        return compose_mail(self.account_id, self.message, self.recipient, self.identity, link)


@dataclass(frozen=True, slots=True)
class Claim:
    """The messages that a claim leased, and how many it closed or put off.

    `is_suspicious` when the claim met a message that was being sent in several crashes.
    """

    messages: tuple[Claimed, ...] = ()
    closed: int = 0
    is_suspicious: bool = False


NOTHING = Claim()


async def claim(
    conn: Connection,
    account_id: int,
    *,
    most: int,
    alone: bool,
    limits: SendingLimits,
    now: datetime,
    in_flight: Sequence[int] = (),
) -> Claim:
    """Lease up to `most` messages of the account that are not `in_flight` here.

    `alone` says that this worker has no message of any account in flight.
    """
    account = {"account_id": account_id}
    # This statement begins the transaction; those after it may therefore go to the driver itself.
    sender = await first_row(conn, LOCK_SENDER, account, LockedSender)
    if sender is None:
        return NOTHING
    if sender.plan != Plan.PAID:
        await conn.execute(CANCEL_UNPAID_MESSAGES, account | {"now": now})
        return NOTHING
    if sender.paused_until is not None:  # after a pause one message tries whether the login works again
        most = 0 if sender.paused_until > now or in_flight else 1
    allowed = min(most, allowance(sender.rate_used_until, now, limits))
    if allowed < 1:
        return NOTHING
    due = account | {"now": now, "most": allowed, "in_flight": [*in_flight]}
    messages = await hot_rows(conn, CLAIM_DUE, due, DueMessage)
    suspects = [each for each in messages if each.crashes_so_far >= SUSPICIOUS_CRASHES]
    if suspects:
        messages = suspects[:1] if alone else [each for each in messages if each not in suspects]
    claimed = await _start_sending(conn, account_id, sender, messages, limits, now)
    return replace(claimed, is_suspicious=bool(suspects))


def allowance(rate_used_until: datetime, now: datetime, limits: SendingLimits) -> int:
    """How many messages the account may send now: its rate may run ahead by the burst."""
    ahead = max((rate_used_until - now).total_seconds(), 0.0)
    return math.floor(limits.burst - ahead * limits.rate_per_second + 1e-6)


class Closing(NamedTuple):
    """Why a message is not sent: the status and reason that it ends with."""

    status: MessageStatus
    reason: str


async def _start_sending(
    conn: Connection,
    account_id: int,
    sender: LockedSender,
    messages: Sequence[DueMessage],
    limits: SendingLimits,
    now: datetime,
) -> Claim:
    """Mark the messages that may go as being sent, and close those that may not."""
    account = {"account_id": account_id}
    recipients = await _lock_recipients(conn, account, messages)
    identities = {each: identity_of(sender, recipient) for each, recipient in recipients.items()}
    closing = {each.id: _closing(each, recipients, identities, limits) for each in messages}
    waiting = await _unverified(conn, account_id, messages, identities, limits)
    late = {each.id for each in waiting if each.created_at <= now - LONGEST_UNVERIFIED_WAIT}
    closing |= {each: closing[each] or Closing(MessageStatus.FAILED, UNVERIFIED) for each in late}
    waiting = [each for each in waiting if closing[each.id] is None]
    await _postpone(conn, account, waiting, now)
    closed = [(each, reason) for each in messages if (reason := closing[each.id]) is not None]
    if closed:
        await _close(conn, account, closed, now)
    lease = secrets.randbits(62)
    claimed = [
        Claimed(account_id, lease, now, each, recipients[each.customer_id], sender, identity)
        for each in messages
        if closing[each.id] is None
        and each not in waiting
        and each.customer_id in recipients
        and (identity := identities[each.customer_id]) is not None
    ]
    if claimed:
        marked = {
            "lease": lease,
            "lease_until": now + timedelta(seconds=limits.lease_seconds),
            "now": now,
            "ids": [each.id for each in claimed],
            "crashes": [each.message.crashes_so_far for each in claimed],
            "address_hashes": [hash_of_address(sender.cursor_secret, each.recipient.email or "") for each in claimed],
        }
        await execute_hot(conn, MARK_SENDING, account | marked)
        used = max(sender.rate_used_until, now) + timedelta(seconds=len(claimed) / limits.rate_per_second)
        await execute_hot(conn, SET_RATE_USED, account | {"until": used})
    return Claim(tuple(claimed), len(closed) + len(waiting))


async def _unverified(
    conn: Connection,
    account_id: int,
    messages: Sequence[DueMessage],
    identities: Mapping[int, Identity | None],
    limits: SendingLimits,
) -> list[DueMessage]:
    """The messages whose sender's domain is not verified; none where this installation does not ask for it."""
    domains = {identity.domain for identity in identities.values() if identity is not None}
    if not limits.domains_must_be_verified or not domains:
        return []
    wrong = domains - await verified_among(conn, account_id, domains)
    senders = {each: identity for each, identity in identities.items() if identity is not None}
    return [each for each in messages if each.customer_id in senders and senders[each.customer_id].domain in wrong]


async def _postpone(conn: Connection, account: dict[str, int], waiting: Sequence[DueMessage], now: datetime) -> None:
    if waiting:
        rows = {"ids": [each.id for each in waiting], "crashes": [each.crashes_so_far for each in waiting]}
        until = {"until": now + UNVERIFIED_WAIT, "reason": UNVERIFIED}
        await conn.execute(POSTPONE_MESSAGES, account | rows | until)


async def _lock_recipients(
    conn: Connection, account: dict[str, int], messages: Sequence[DueMessage]
) -> dict[int, LockedRecipient]:
    customers = [each.customer_id for each in messages if each.customer_id is not None]
    if not customers:
        return {}
    found = await hot_rows(conn, LOCK_RECIPIENTS, account | {"customers": customers}, LockedRecipient)
    return {each.id: each for each in found}


async def _close(
    conn: Connection, account: dict[str, int], closed: Sequence[tuple[DueMessage, Closing]], now: datetime
) -> None:
    columns = {
        "ids": [message.id for message, _ in closed],
        "statuses": [closing.status.value for _, closing in closed],
        "reasons": [closing.reason for _, closing in closed],
        "crashes": [message.crashes_so_far for message, _ in closed],
    }
    await conn.execute(CLOSE_MESSAGES, account | {"now": now} | columns)


def _closing(
    message: DueMessage,
    recipients: dict[int, LockedRecipient],
    identities: dict[int, Identity | None],
    limits: SendingLimits,
) -> Closing | None:
    """The end of a message that must not be sent; None when it may be sent or waits for a locked recipient."""
    if message.customer_id is None:
        return Closing(MessageStatus.CANCELLED, "erased")
    if message.crashes_so_far >= limits.most_crashes:
        return Closing(MessageStatus.HELD, "crashed")
    recipient = recipients.get(message.customer_id)
    if recipient is None:
        return None
    reason = objection(message.kind, recipient.email, recipient.marketing, recipient.suppressed)
    if reason is None:
        has_sender = identities[message.customer_id] is not None
        return None if has_sender else Closing(MessageStatus.CANCELLED, "sender_required")
    withdrawn = reason not in {"no_address", Marketing.CLEANED}
    return Closing(MessageStatus.CANCELLED, "consent_withdrawn" if withdrawn else reason)
