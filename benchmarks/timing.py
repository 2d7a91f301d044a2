"""Timing: two ways to the same answer in turn, so that a slow moment of the machine meets both."""

import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

ROUNDS = 7

Task = Callable[[], Awaitable[object]]


@dataclass(frozen=True)
class Compared:
    """Medians of both, and of the ratio of each round."""

    ours: float
    reference: float
    ratio: float


async def compare(ours: Task, reference: Task, *, ours_a_round: int, references_a_round: int = 1) -> Compared:
    """The times of both, after they have warmed up."""
    await median_seconds(ours, ours_a_round)
    await median_seconds(reference, references_a_round)
    rounds = [
        (await median_seconds(ours, ours_a_round), await median_seconds(reference, references_a_round))
        for _ in range(ROUNDS)
    ]
    return Compared(
        statistics.median(mine for mine, _ in rounds),
        statistics.median(other for _, other in rounds),
        statistics.median(other / mine for mine, other in rounds),
    )


async def median_seconds(task: Task, times: int) -> float:
    """The median time of a task."""
    taken = []
    for _ in range(times):
        begun = time.perf_counter()
        await task()
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken)


def shown(seconds: float) -> str:
    """A time in milliseconds."""
    return f"{seconds * 1000:,.2f} ms"


def goal_for(goals: tuple[tuple[int, float], ...], orders: int) -> float | None:
    """The goal of the largest size that is reached; `goals` begin with the largest."""
    return next((goal for size, goal in goals if orders >= size), None)
