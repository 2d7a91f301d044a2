"""Report: the table of figures, each beside its reference and its goal, and how two ways are timed."""

import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

HEADINGS = ("what", "figure", "reference", "ratio", "goal", "met")


@dataclass(frozen=True)
class Figure:
    """One line of the table; `goal` is a lower bound of the ratio, `most` an upper bound of the figure."""

    what: str
    figure: str
    reference: str = ""
    ratio: float | None = None
    goal: float | None = None
    within: tuple[float, float] | None = None
    """A measured value and what it must stay below, where the goal is no ratio."""

    def cells(self) -> tuple[str, ...]:
        """The line as text."""
        ratio = "" if self.ratio is None else f"{self.ratio:,.2f}" if self.ratio < TEN else f"{self.ratio:,.0f}"
        goal, met = "", ""
        if self.goal is not None and self.ratio is not None:
            goal, met = f">= {self.goal:,g}", said(self.ratio >= self.goal)
        elif self.within is not None:
            goal, met = f"< {self.within[1]:,g}", said(self.within[0] < self.within[1])
        return self.what, self.figure, self.reference, ratio, goal, met


TEN = 10


def said(met: bool) -> str:  # noqa: FBT001 - it is what is said
    """Whether a goal is met, in a word."""
    return "yes" if met else "NO"


def table(figures: Sequence[Figure]) -> str:
    """The figures in columns."""
    lines = [HEADINGS, *(figure.cells() for figure in figures)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
    rows = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    return "\n".join([rows[0], "-" * len(rows[0]), *rows[1:]])


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
