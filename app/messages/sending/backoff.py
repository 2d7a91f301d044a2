"""Backoff: when a message that could not be sent is tried again, and when it is given up."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from app.mail.contract import Deferred

MINUTE, HOUR = 60, 3600
WAITS_SECONDS = (1 * MINUTE, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 4 * HOUR, 8 * HOUR, 8 * HOUR)
"""The wait after the first failed attempt, the second, and so on."""

MOST_ATTEMPTS = len(WAITS_SECONDS) + 1
LONGEST_TRYING = timedelta(hours=24)
JITTER = 0.2
LEAST_WAIT_SECONDS = 60
"""The least wait after a provider asked to send less, or did not answer."""
LEAST_WAIT_AMBIGUOUS_SECONDS = 10 * MINUTE
"""The least wait after a lost answer: it gives a server that has the mail the time to recognise the copy."""


@dataclass(frozen=True, slots=True)
class GivenUp:
    """There are no more attempts, for this reason."""

    reason: str


def next_attempt(
    deferred: Deferred, *, attempts: int, first_tried_at: datetime, now: datetime, chance: float
) -> datetime | GivenUp:
    """When to try again after `attempts` failed ones; `chance` in [0, 1) spreads those that failed together."""
    if attempts >= MOST_ATTEMPTS:
        return GivenUp("too_many_attempts")
    wait = wait_seconds(deferred, attempts, chance)
    due_at = now + timedelta(seconds=wait)
    return due_at if due_at - first_tried_at <= LONGEST_TRYING else GivenUp("tried_for_too_long")


def wait_seconds(deferred: Deferred, attempts: int, chance: float) -> float:
    """How long to wait: what the provider asked for, but at least the usual wait and at most twice that."""
    base = WAITS_SECONDS[attempts - 1]
    wait = base * (1 - JITTER + 2 * JITTER * chance)
    if deferred.retry_after_seconds is not None:
        wait = max(wait, min(deferred.retry_after_seconds, 2 * base))
    if deferred.code.partition(" ")[0] in {"429", "timeout"}:
        wait = max(wait, LEAST_WAIT_SECONDS)
    if deferred.maybe_duplicate:
        wait = max(wait, LEAST_WAIT_AMBIGUOUS_SECONDS)
    return wait
