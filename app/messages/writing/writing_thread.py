"""Writing thread: the one thread for cleaning HTML and filling in texts, so that they take one processor at most."""

import asyncio
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from app.database.pools import current_account
from app.problems import ServiceUnavailable, TooManyRequests
from app.words import Sentence

MOST_WAITING_OF_AN_ACCOUNT = 16
MOST_WAITING = 64

Parameters = ParamSpec("Parameters")
Returned = TypeVar("Returned")

_thread = ThreadPoolExecutor(1, thread_name_prefix="writing")
_waiting: Counter[int | None] = Counter()


async def in_writing_thread(
    write: Callable[Parameters, Returned], *args: Parameters.args, **kwargs: Parameters.kwargs
) -> Returned:
    """Run `write` in the thread; a problem when too much waits for it. Call it while no connection is held."""
    account_id = current_account.get()
    if _waiting[account_id] >= MOST_WAITING_OF_AN_ACCOUNT:
        raise TooManyRequests(Sentence("Too many messages of this account are being written; send fewer at once."))
    if _waiting.total() >= MOST_WAITING:
        raise ServiceUnavailable(Sentence("Too many messages are being written; try again later."))
    _waiting[account_id] += 1
    try:
        return await asyncio.get_running_loop().run_in_executor(_thread, lambda: write(*args, **kwargs))
    finally:
        _waiting[account_id] -= 1
        if not _waiting[account_id]:
            del _waiting[account_id]
