"""Settling messages: the outcome of each is stored, if its lease is still this worker's."""

import asyncio
import random
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from app.database.errors import ERRORS
from app.database.pools import Database
from app.mail.contract import Accepted, Deferred, Misconfigured, Outcome, Refused
from app.messages.queue_statements import PAUSE_SENDER, RESUME_SENDER, SETTLE_MESSAGES
from app.messages.sending.backoff import GivenUp, next_attempt
from app.messages.sending.claim_messages import Claimed
from app.problems import ServiceUnavailable, log, places
from app.suppressions.suppress import suppress_address_of_message
from app.vocabulary import AttemptOutcome, MessageStatus, SuppressionReason

PAUSE = timedelta(minutes=10)
"""How long an account's messages wait after a refused login; then one of them tries again."""

RETRY_SECONDS = 0.5
LONGEST_STORED_CODE, LONGEST_STORED_DETAIL = 50, 500

INTERRUPTED = Deferred("interrupted", "The worker was told to stop before an answer came.", maybe_duplicate=True)
"""The outcome of a message that is let go when the worker stops."""

ATTEMPT_OUTCOMES: dict[type[Outcome], AttemptOutcome] = {
    Accepted: AttemptOutcome.ACCEPTED,
    Refused: AttemptOutcome.REFUSED,
    Deferred: AttemptOutcome.DEFERRED,
    Misconfigured: AttemptOutcome.MISCONFIGURED,
}


@dataclass(frozen=True, slots=True)
class Ended:
    """A message whose sending has ended, and how."""

    claimed: Claimed
    outcome: Outcome
    at: datetime

    @property
    def rejects_address(self) -> bool:
        """Whether nothing can ever be sent to that address."""
        return isinstance(self.outcome, Refused) and self.outcome.of_address


# ---------------------------------------------------------------- one account's outcomes


async def settle(database: Database, account_id: int, ended: Sequence[Ended]) -> None:
    """Store the outcomes of an account's messages; an address that was rejected for good is not written to again.

    Messages are locked in the order of their ids, as everywhere.
    """
    account = {"account_id": account_id}
    for each in ended:
        if each.rejects_address:
            await _suppress_address(database, each)
    await _pause_or_resume(database, account, ended)
    rows = [settlement_of(each) for each in sorted(ended, key=lambda each: each.claimed.id)]
    columns = dict(zip(Settlement._fields, map(list, zip(*rows, strict=True)), strict=True))
    await database.write_once(SETTLE_MESSAGES, account | columns)


async def _pause_or_resume(database: Database, account: dict[str, int], ended: Sequence[Ended]) -> None:
    """Pause the account when its login was refused, or end the pause when it works again."""
    for each in ended:
        if isinstance(each.outcome, Misconfigured):
            because = attempt_line(each.outcome.code, each.outcome.detail)
            await database.write_once(PAUSE_SENDER, account | {"until": each.at + PAUSE, "because": because})
            return
    tried = {each.claimed.sender.paused_until for each in ended if isinstance(each.outcome, Accepted | Refused)}
    for until in tried - {None}:
        await database.write_once(RESUME_SENDER, account | {"until": until})


async def _suppress_address(database: Database, each: Ended) -> None:
    claimed, dead = each.claimed, SuppressionReason.DEAD
    await suppress_address_of_message(database, claimed.account_id, claimed.id, dead, "bounce", each.at)


# ---------------------------------------------------------------- what changes of a message


class Settlement(NamedTuple):
    """What is stored of a message and its attempt; the fields are the parameters of SETTLE_MESSAGES."""

    ids: int
    leases: int
    statuses: str
    reasons: str | None
    attempts: int
    dues_at: datetime | None
    provider_ids: str | None
    maybe_duplicates: bool
    sents_at: datetime | None
    settleds_at: datetime | None
    starteds_at: datetime
    endeds_at: datetime
    outcomes: str
    codes: str
    details: str


def settlement_of(each: Ended) -> Settlement:
    """What is stored of a message that has ended."""
    claimed, outcome = each.claimed, each.outcome
    code, detail = ("", "") if isinstance(outcome, Accepted) else (outcome.code, outcome.detail)
    waiting = Settlement(
        ids=claimed.id,
        leases=claimed.lease,
        statuses=MessageStatus.QUEUED,
        reasons=None,
        attempts=claimed.message.attempts + 1,
        dues_at=None,
        provider_ids=None,
        maybe_duplicates=False,
        sents_at=None,
        settleds_at=None,
        starteds_at=claimed.started_at,
        endeds_at=each.at,
        outcomes=ATTEMPT_OUTCOMES[type(outcome)],
        codes=code[:LONGEST_STORED_CODE],
        details=shortened(detail),
    )
    if isinstance(outcome, Accepted):
        sent = waiting._replace(statuses=MessageStatus.SENT, sents_at=each.at, settleds_at=each.at)
        return sent._replace(provider_ids=outcome.provider_id)
    if isinstance(outcome, Refused):
        return waiting._replace(statuses=MessageStatus.FAILED, reasons="refused", settleds_at=each.at)
    if isinstance(outcome, Misconfigured):
        return waiting._replace(attempts=claimed.message.attempts, dues_at=each.at)  # it is not about this message
    return _tried_again(each, waiting, outcome)


def _tried_again(each: Ended, waiting: Settlement, outcome: Deferred) -> Settlement:
    """A message that is deferred waits for its next attempt, or has failed when there is none."""
    if outcome.code == INTERRUPTED.code:  # our own stop costs no attempt
        return waiting._replace(attempts=each.claimed.message.attempts, dues_at=each.at, maybe_duplicates=True)
    following = next_attempt(
        outcome,
        attempts=waiting.attempts,
        first_tried_at=each.claimed.first_tried_at,
        now=each.at,
        chance=random.random(),  # noqa: S311 - it only spreads retries
    )
    waiting = waiting._replace(maybe_duplicates=outcome.maybe_duplicate)
    if isinstance(following, GivenUp):
        return waiting._replace(statuses=MessageStatus.FAILED, reasons=following.reason, settleds_at=each.at)
    return waiting._replace(dues_at=following)


def shortened(detail: str) -> str:
    """A provider's sentence on one line."""
    return " ".join(detail.split())[:LONGEST_STORED_DETAIL]


def attempt_line(code: str, detail: str) -> str:
    """Code and sentence on one line; enhanced codes that the sentence repeats are said once."""
    words, said = shortened(detail), code[:LONGEST_STORED_CODE]
    for part in reversed(said.split()):
        if words.startswith(f"{part} "):
            words = words.removeprefix(f"{part} ")
    return f"{said} {words}".strip()


# ---------------------------------------------------------------- the settler of a worker


class Settler:
    """Stores outcomes as they come; while the database is away, again and again.

    An account that waits (for a lock on a message, or the turn of a source) delays no other account.
    """

    def __init__(self, database: Database, settled: Callable[[Ended], None]) -> None:
        """`settled` is called for each message once its outcome is stored, or cannot be."""
        self._database, self._settled = database, settled
        self._ended: asyncio.Queue[Ended] = asyncio.Queue()
        self._waiting: dict[int, list[Ended]] = {}
        self.tasks: set[asyncio.Task[None]] = set()

    def add(self, ended: Ended) -> None:
        """Store this outcome next."""
        self._ended.put_nowait(ended)

    async def run(self) -> None:
        """Store what has ended, until cancelled."""
        while True:
            each = await self._ended.get()
            account_id = each.claimed.account_id
            if each.rejects_address:  # it waits for the turn of a source
                self._start(self._conclude(account_id, [each]))
            elif account_id in self._waiting:
                self._waiting[account_id].append(each)
            else:
                self._waiting[account_id] = [each]
                self._start(self._conclude_all(account_id))

    async def _conclude_all(self, account_id: int) -> None:
        """Outcomes that come while the ones before are stored are stored together."""
        while some := self._waiting[account_id]:
            self._waiting[account_id] = []
            await self._conclude(account_id, some)
        del self._waiting[account_id]

    async def _conclude(self, account_id: int, ended: Sequence[Ended]) -> None:
        while not await self._is_settled(account_id, ended):  # noqa: ASYNC110 - the database tells nobody that it is back
            await asyncio.sleep(RETRY_SECONDS)
        for each in ended:
            self._settled(each)

    async def _is_settled(self, account_id: int, ended: Sequence[Ended]) -> bool:
        try:
            await settle(self._database, account_id, ended)
        except (*ERRORS, ServiceUnavailable) as error:
            log.error("settling waits for the database", kind=type(error).__name__)
            return False
        except Exception as error:  # noqa: BLE001 - the leases end, and the messages are claimed again
            log.error("settling failed", kind=type(error).__name__, at=places(error))
        return True

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
