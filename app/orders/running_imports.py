"""Running imports: one for each source and two for each account, in this process."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from app.problems import TooManyRequests
from app.services import provided

MOST_IMPORTS_OF_AN_ACCOUNT = 2


class RunningImports:
    """The imports whose streams are being read."""

    def __init__(self) -> None:
        """None is running."""
        self._sources: set[int] = set()
        self._accounts: Counter[int] = Counter()

    @contextmanager
    def running(self, account_id: int, source_id: int) -> Iterator[None]:
        """Count an import until the block ends; TooManyRequests when too many are running."""
        if source_id in self._sources:
            raise TooManyRequests("This source has an import under way; wait for its end.", retry_after_seconds=30)
        if self._accounts[account_id] >= MOST_IMPORTS_OF_AN_ACCOUNT:
            raise TooManyRequests("This account has two imports under way; wait for one.", retry_after_seconds=30)
        self._sources.add(source_id)
        self._accounts[account_id] += 1
        try:
            yield
        finally:
            self._sources.discard(source_id)
            self._accounts[account_id] -= 1
            self._accounts = +self._accounts


ImportsOfService = Annotated[RunningImports, provided(RunningImports)]
