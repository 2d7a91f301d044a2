"""Profiles: a customer whole, with 21 exact ranks and more, against counting those ranks alone.

The customers stand on the boards of all seven frames, so that there are 21 ranks to count. They
are the better ones of the shop: fewer are above them than above others, and counting is cheap.
"""

import asyncio
import statistics
from typing import Any, NamedTuple

from sqlalchemy import text

from app.accounts.access import Caller
from app.boards.metrics import COLUMNS
from app.boards.questions import read_version
from app.customers.read_profile import PROFILE_FRAMES, RANKED_FRAMES, read_profile
from app.customers.schemas import Profile
from app.database.pools import Connection, Database
from app.periods import TimeFrame
from app.vocabulary import Metric, Plan
from benchmarks.board_page import question
from benchmarks.report import Compared, Figure, compare, goal_for, shown
from benchmarks.scene import NOW, Scene

PROFILES_A_ROUND = 20
DEPTHS = (0.001, 0.1, 0.5, 0.9, 0.999)
GOALS = ((10_000_000, 50.0), (1_000_000, 10.0))
"""`(orders, factor)`: from this many orders on, a profile must be faster than counting by the factor."""

COUNTED = {
    metric: text(f"""
        SELECT count(*) FROM standings
        WHERE account_id = :account_id AND board_id = :board_id AND {column} > :value
    """)
    for metric, column in COLUMNS.items()
}
"""How many are above a value, along the index of its column."""

ON_ALL_BOARDS = text("""
    SELECT s.customer_id
    FROM standings AS w JOIN standings AS s ON s.account_id = w.account_id AND s.customer_id = w.customer_id
    WHERE w.account_id = :account_id AND w.board_id = :fewest AND s.board_id = :ordered_by
      AND (SELECT count(*) FROM unnest(cast(:boards AS bigint[])) AS b (id)
           WHERE EXISTS (SELECT FROM standings AS o
                         WHERE o.account_id = :account_id AND o.board_id = b.id AND o.customer_id = w.customer_id)
          ) = cardinality(cast(:boards AS bigint[]))
    ORDER BY s.spend DESC, s.customer_id
""")
"""The customers who have ranks in each of these frames, by what they spent in one of them."""

VALUES = text("""
    SELECT board_id, purchases, spend, average FROM standings
    WHERE account_id = :account_id AND board_id = ANY(cast(:boards AS bigint[])) AND customer_id = :customer_id
""")


class Count(NamedTuple):
    """One of the 21 questions."""

    time_frame: TimeFrame
    metric: Metric
    bound: dict[str, Any]


def measure_profiles(scene: Scene, orders: int) -> list[Figure]:
    """The figure of profiles."""
    return [asyncio.run(_profiles(scene, orders))]


async def _profiles(scene: Scene, orders: int) -> Figure:
    database = scene.database()
    async with database.read() as conn:
        boards = await _boards(conn, scene)
        customers = await _customers(conn, scene, boards)
    measured = [await _profile(database, scene, boards, customer_id) for customer_id in customers]
    await database.close()
    return Figure(
        f"profile with {len(RANKED_FRAMES) * len(COLUMNS)} ranks, from the pool, median of {len(customers)} customers",
        shown(statistics.median(each.ours for each in measured)),
        f"{shown(statistics.median(each.reference for each in measured))} as many count(*) of those above",
        statistics.median(each.ratio for each in measured),
        goal_for(GOALS, orders),
    )


async def _boards(conn: Connection, scene: Scene) -> dict[TimeFrame, int]:
    """The boards of the seven frames; everything that a profile reads must come from a board."""
    boards = {}
    for time_frame in PROFILE_FRAMES:
        version = await read_version(conn, await question(scene, time_frame))
        if version.board_id is None:
            raise RuntimeError(f"no board answers for {time_frame}")
        boards[time_frame] = version.board_id
    return {time_frame: boards[time_frame] for time_frame in RANKED_FRAMES}


async def _customers(conn: Connection, scene: Scene, boards: dict[TimeFrame, int]) -> list[int]:
    bound = {
        "account_id": scene.account_id,
        "boards": [*boards.values()],
        "fewest": boards[TimeFrame.LAST_WEEK],
        "ordered_by": boards[TimeFrame.YEAR_TO_DATE],
    }
    rows = (await conn.execute(ON_ALL_BOARDS, bound)).all()
    if not rows:
        raise RuntimeError("no customer has a rank in each frame")
    return [rows[int(len(rows) * depth)].customer_id for depth in DEPTHS]


async def _profile(database: Database, scene: Scene, boards: dict[TimeFrame, int], customer_id: int) -> Compared:
    caller = Caller(scene.account_id, 0, frozenset(), Plan.PAID, b"", is_closed=False)

    async def profile() -> Profile:
        async with database.read() as conn:
            return await read_profile(conn, caller, customer_id, NOW)

    async def count() -> list[int]:
        async with database.read() as conn:
            return [(await conn.execute(COUNTED[each.metric], each.bound)).scalar_one() for each in counts]

    async with database.read() as conn:
        counts = await _counts(conn, scene, boards, customer_id)
    _agree(await profile(), counts, await count())
    return await compare(profile, count, ours_a_round=PROFILES_A_ROUND)


async def _counts(conn: Connection, scene: Scene, boards: dict[TimeFrame, int], customer_id: int) -> list[Count]:
    """What is asked of each board, with the customer's values at hand."""
    bound = {"account_id": scene.account_id, "customer_id": customer_id, "boards": [*boards.values()]}
    values = {row.board_id: row for row in (await conn.execute(VALUES, bound)).all()}
    return [
        Count(
            time_frame,
            metric,
            {"account_id": scene.account_id, "board_id": board_id, "value": getattr(values[board_id], column)},
        )
        for time_frame, board_id in boards.items()
        for metric, column in COLUMNS.items()
    ]


def _agree(profile: Profile, counts: list[Count], above: list[int]) -> None:
    """What is compared must be the same ranks."""
    counted = {(each.time_frame, each.metric): 1 + number for each, number in zip(counts, above, strict=True)}
    told = {
        (frame.time_frame, metric): getattr(frame.ranks, metric) for frame in profile.time_frames for metric in COLUMNS
    }
    if told != counted:
        raise RuntimeError("the ranks of the profile and those that were counted differ")
