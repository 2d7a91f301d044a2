"""Backoff: when a message that could not be sent is tried again, and when no more."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from app.mail.contract import Deferred

MINUTE, HOUR = 60, 3600
WAITS_SECONDS = (1 * MINUTE, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 4 * HOUR, 8 * HOUR, 8 * HOUR)
"""After the first failed attempt, the second, and so on."""

MOST_ATTEMPTS = len(WAITS_SECONDS) + 1
LONGEST_TRYING = timedelta(hours=24)
JITTER = 0.2
LEAST_WAIT_SECONDS = 60
"""For who said to send less, or nothing at all."""
LEAST_WAIT_AMBIGUOUS_SECONDS = 10 * MINUTE
"""Time for a server that lost its answer, but has the mail, to be recognised by its copy."""


@dataclass(frozen=True, slots=True)
class GivenUp:
    """No more attempts, and why."""

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
    """How long, with what the provider asked for held between the usual wait and twice that."""
    base = WAITS_SECONDS[attempts - 1]
    wait = base * (1 - JITTER + 2 * JITTER * chance)
    if deferred.retry_after_seconds is not None:
        wait = max(wait, min(deferred.retry_after_seconds, 2 * base))
    if deferred.code.partition(" ")[0] in {"429", "timeout"}:
        wait = max(wait, LEAST_WAIT_SECONDS)
    if deferred.maybe_duplicate:
        wait = max(wait, LEAST_WAIT_AMBIGUOUS_SECONDS)
    return wait
