"""Settling messages: what came of them is stored, if the lease is still this worker's."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from app.database.pools import Database
from app.mail.contract import Accepted, Deferred, Misconfigured, Outcome, Refused
from app.messages import outbox
from app.messages.consent.note_consent import note_consent
from app.messages.consent.unsubscribe_token import Recipient
from app.messages.sending.backoff import GivenUp, next_attempt
from app.messages.sending.claim_messages import Claimed

PAUSE = timedelta(minutes=10)
"""After a refused login the account's messages wait so long; then one of them tries again."""

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
    await _pause(database, account, ended)
    rows = [_settled(each) | _answered(each) for each in sorted(ended, key=lambda each: each.claimed.id)]
    bound = {name: [row[name] for row in rows] for name in rows[0]}
    await database.write_once(outbox.SETTLED, account | bound)


async def _pause(database: Database, account: dict[str, int], ended: Sequence[Ended]) -> None:
    """What the answers say of the account's login: it was refused, or it works again."""
    for each in ended:
        if isinstance(each.outcome, Misconfigured):
            pause = {"until": each.at + PAUSE, "because": _line(each.outcome.code, each.outcome.detail)}
            await database.write_once(outbox.PAUSED, account | pause)
            return
    tried = {each.claimed.sender.paused_until for each in ended if isinstance(each.outcome, Accepted | Refused)}
    for until in tried - {None}:
        await database.write_once(outbox.GOES_ON, account | {"until": until})


async def _clean(database: Database, each: Ended) -> None:
    claimed = each.claimed
    who = Recipient(claimed.account_id, claimed.customer_id, claimed.id)
    await note_consent(database, who, "cleaned", "bounce", each.at, address=claimed.address)


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
