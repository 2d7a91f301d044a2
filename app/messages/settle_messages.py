"""Settling messages: what came of them is stored, if the lease is still this worker's."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from app.customers import directory
from app.customers.change_consent import change_consent
from app.database import Connection, Database
from app.messages import outbox
from app.messages.backoff import GivenUp, next_attempt
from app.messages.claim_messages import Claimed
from app.messages.mail import Accepted, Deferred, Misconfigured, Outcome, Refused
from app.orders import source as source_statements
from app.orders.source import Source

PAUSE = timedelta(minutes=10)
"""After a refused login the account's messages wait so long; then one more refusal pauses it anew."""

LONGEST_CODE, LONGEST_DETAIL = 50, 500
WORDS: dict[type[Outcome], str] = {
    Accepted: "accepted",
    Refused: "refused",
    Deferred: "deferred",
    Misconfigured: "misconfigured",
}


@dataclass(frozen=True, slots=True)
class Ended:
    """A message that was handed over, or was not."""

    claimed: Claimed
    outcome: Outcome
    at: datetime


def says_of_address(ended: Ended) -> bool:
    """Whether nothing can ever be sent to that address."""
    return isinstance(ended.outcome, Refused) and ended.outcome.of_address


async def settle(database: Database, account_id: int, ended: Sequence[Ended]) -> None:
    """Store what came of an account's messages; an address that is refused for good is not written to again.

    Messages are locked by their number, as everybody does it who locks several.
    """
    account = {"account_id": account_id}
    for each in ended:
        if says_of_address(each):
            await _clean(database, each)
    refused = next((each for each in ended if isinstance(each.outcome, Misconfigured)), None)
    if refused is not None and isinstance(refused.outcome, Misconfigured):
        pause = {"until": refused.at + PAUSE, "because": _line(refused.outcome.code, refused.outcome.detail)}
        await database.write_once(outbox.PAUSED, account | pause)
    rows = [_settled(each) | _answered(each) for each in sorted(ended, key=lambda each: each.claimed.id)]
    bound = {name: [row[name] for row in rows] for name in rows[0]}
    await database.write_once(outbox.SETTLED, account | bound)


async def source_of_customer(conn: Connection, account_id: int, customer_id: int) -> tuple[Source, Any] | None:
    """A customer's store and row; nothing where the customer was erased."""
    person = {"account_id": account_id, "customer_id": customer_id}
    row = (await conn.execute(directory.ONE, person)).one_or_none()
    if row is None:
        return None
    return Source(*(await conn.execute(source_statements.one(account_id, row.source_id))).one()), row


async def _clean(database: Database, each: Ended) -> None:
    claimed = each.claimed
    async with database.read() as conn:
        found = await source_of_customer(conn, claimed.account_id, claimed.customer_id)
    if found is None or found[1].email != claimed.address:
        return
    async with database.write_in_turn(found[0].id) as conn:
        await change_consent(conn, found[0], claimed.customer_id, "cleaned", "bounce", each.at)


def _settled(each: Ended) -> dict[str, Any]:
    """What changes of the message, by the columns of outbox.SETTLED."""
    claimed, outcome = each.claimed, each.outcome
    row: dict[str, Any] = {
        "ids": claimed.id,
        "leases": claimed.lease,
        "statuses": "queued",
        "reasons": None,
        "attempts": claimed.attempts,
        "dues_at": None,
        "provider_ids": None,
        "maybe_duplicates": False,
        "sents_at": None,
        "settleds_at": None,
    }
    if isinstance(outcome, Accepted):
        sent = {"statuses": "sent", "provider_ids": outcome.provider_id, "sents_at": each.at, "settleds_at": each.at}
        return row | sent | {"attempts": claimed.attempts + 1}
    if isinstance(outcome, Refused):
        failed = {"statuses": "failed", "reasons": "refused", "settleds_at": each.at}
        return row | failed | {"attempts": claimed.attempts + 1}
    if isinstance(outcome, Misconfigured) or outcome.code == INTERRUPTED.code:
        # Neither says anything of this message: it costs no attempt.
        return row | {"dues_at": each.at, "maybe_duplicates": isinstance(outcome, Deferred)}
    attempts = claimed.attempts + 1
    following = next_attempt(
        outcome,
        attempts=attempts,
        first_tried_at=claimed.first_tried_at,
        now=each.at,
        chance=random.random(),  # noqa: S311 - it only spreads retries
    )
    row |= {"attempts": attempts, "maybe_duplicates": outcome.maybe_duplicate}
    if isinstance(following, GivenUp):
        return row | {"statuses": "failed", "reasons": following.reason, "settleds_at": each.at}
    return row | {"dues_at": following}


INTERRUPTED = Deferred("interrupted", "The worker was told to stop before an answer came.", maybe_duplicate=True)
"""What becomes of a message that is let go at the end of a worker."""


def _line(code: str, detail: str) -> str:
    return f"{code[:LONGEST_CODE]} {' '.join(detail.split())[:LONGEST_DETAIL]}".strip()


def _answered(each: Ended) -> dict[str, Any]:
    """The other columns of outbox.SETTLED: what is kept for people to read."""
    outcome = each.outcome
    code, detail = ("", "") if isinstance(outcome, Accepted) else (outcome.code, outcome.detail)
    return {
        "starteds_at": each.claimed.started_at,
        "endeds_at": each.at,
        "outcomes": WORDS[type(outcome)],
        "codes": code[:LONGEST_CODE],
        "details": " ".join(detail.split())[:LONGEST_DETAIL],
    }
