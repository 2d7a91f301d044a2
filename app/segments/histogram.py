"""Histogram: the buckets of a board folded to a few bars with bounds that are easy to read.

A bar ends where a bucket ends, so its count is exact; of the ends near a round number the
roundest is taken. Steps grow with the values, as the spending of customers does.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from typing import NamedTuple

from app.boards.buckets import BUCKET_EDGES

MOST_BARS = 40
LARGEST = 2**63
LAST_SINGLE_VALUE = 128
"""Up to here each bucket is one value."""

STEPS = (
    (10, 12, 14, 16, 18, 20, 25, 30, 35, 40, 45, 50, 60, 70, 80, 90),
    (10, 15, 20, 30, 40, 50, 60, 80),
    (10, 15, 20, 30, 50, 70),
    (10, 20, 50),
    (10, 30),
    (10,),
)
"""Multiples of the powers of ten at which bars may begin, finest first."""


class Bar(NamedTuple):
    """Customers with a value in `[start, end)`."""

    start: int
    end: int
    customers: int


def bars(pairs: Sequence[Sequence[int]]) -> list[Bar]:
    """Pairs of a bucket's least value and its customers, in order, as at most `MOST_BARS` bars without gaps."""
    if not pairs:
        return []
    bounds = _bounds(pairs[0][0], pairs[-1][0])
    counts = [0] * (len(bounds) - 1)
    place = 0
    for least_value, customers in pairs:
        while least_value >= bounds[place + 1]:
            place += 1
        counts[place] += customers
    return [Bar(start, end, count) for (start, end), count in zip(pairwise(bounds), counts, strict=True)]


def _bounds(least: int, most: int) -> list[int]:
    """The bounds of the finest scale that makes few enough bars; the first and the last bar are not empty."""
    if most - least < MOST_BARS and most < LAST_SINGLE_VALUE:
        return [*range(least, most + 2)]
    scales = (_between(_scale(steps), least, most) for steps in STEPS)
    return next(bounds for bounds in scales if len(bounds) <= MOST_BARS + 1)


@cache
def _scale(steps: tuple[int, ...]) -> list[int]:
    """Every bound of a scale: ends of buckets, each the roundest near a round number."""
    round_numbers = {step * 10**power // 10 for power in range(19) for step in steps}
    return sorted({0, LARGEST} | {_roundest(number) for number in round_numbers if number < LARGEST})


def _roundest(number: int) -> int:
    place = bisect_left(BUCKET_EDGES, number)
    near = [edge for edge in BUCKET_EDGES[max(place - 2, 0) : place + 2] if abs(edge - number) * 50 <= number]
    return min(near, key=lambda edge: (len(str(edge).rstrip("0")), abs(edge - number)))


def _between(scale: list[int], least: int, most: int) -> list[int]:
    return scale[bisect_right(scale, least) - 1 : bisect_right(scale, most) + 1]
