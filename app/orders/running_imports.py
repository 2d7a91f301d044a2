"""Running imports: one for each source and two for each account, in this process."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from app.problems import ServiceUnavailable, TooManyRequests
from app.services import provided
from app.words import Sentence

MOST_IMPORTS_OF_AN_ACCOUNT = 2
STOP_GRACE_SECONDS = 10.0
"""How long an import may go on when the process is told to stop; then it ends at its next batch."""
STOPS_NOW = Sentence("The service stops; send the import again.")
IMPORT_RETRY_SECONDS = 30


class RunningImports:
    """The imports whose streams are being read."""

    def __init__(self) -> None:
        """None is running."""
        self._end_at: float | None = None
        self._sources: set[int] = set()
        self._accounts: Counter[int] = Counter()

    @property
    def running_now(self) -> int:
        """How many imports are running."""
        return self._accounts.total()

    def stop(self) -> None:
        """Let running imports end within a grace, and begin no other."""
        self._end_at = time.monotonic() + STOP_GRACE_SECONDS

    def require_time(self) -> None:
        """ServiceUnavailable when the process stops and the grace is over; called before each batch."""
        if self._end_at is not None and time.monotonic() >= self._end_at:
            raise ServiceUnavailable(STOPS_NOW, retry_after_seconds=IMPORT_RETRY_SECONDS)

    @contextmanager
    def running(self, account_id: int, source_id: int | None = None) -> Iterator[None]:
        """Count an import until the block ends; TooManyRequests when too many are running.

        Without a source it is about the whole account.
        """
        if self._end_at is not None:
            raise ServiceUnavailable(STOPS_NOW, retry_after_seconds=IMPORT_RETRY_SECONDS)
        if source_id in self._sources:
            raise TooManyRequests(
                Sentence("This source has an import under way; wait for its end."),
                retry_after_seconds=IMPORT_RETRY_SECONDS,
            )
        if self._accounts[account_id] >= MOST_IMPORTS_OF_AN_ACCOUNT:
            raise TooManyRequests(
                Sentence("This account has two imports under way; wait for one."),
                retry_after_seconds=IMPORT_RETRY_SECONDS,
            )
        if source_id is not None:
            self._sources.add(source_id)
        self._accounts[account_id] += 1
        try:
            yield
        finally:
            if source_id is not None:
                self._sources.discard(source_id)
            self._accounts[account_id] -= 1
            self._accounts = +self._accounts


ImportsOfService = Annotated[RunningImports, provided(RunningImports)]
